"""A GCS emulator, in this process."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from gcp_storage_emulator import server as emulator  # pyright: ignore[reportMissingTypeStubs]


@contextmanager
def google_server() -> Generator[str]:
    """Start the server; gives its URL."""
    for name in ("api.object", "gcp_storage_emulator"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    server: Any = emulator.create_server("127.0.0.1", 0, in_memory=True)  # pyright: ignore[reportUnknownMemberType]
    with server:
        host, port = server._api._httpd.server_address
        yield f"http://{host}:{port}"
