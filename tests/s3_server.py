"""An S3 server in this process, for tests that need a real one and are not about stores."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def s3_server() -> Generator[str]:
    """Start the server; gives its URL. It takes any credentials."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415  (takes a second)

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else a line for each request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()
