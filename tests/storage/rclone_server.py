"""A real S3 server: rclone's, which checks signatures and keeps objects as files."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from falconeri.storage import Credentials

RCLONE = Path(sys.executable).with_name("rclone")
"""Of the development dependencies."""

_KEYS = {"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "a secret nobody may see"}


@contextmanager
def rclone_server(directory: Path) -> Generator[Credentials]:
    """Serve a directory, whose directories are buckets; gives what its clients need."""
    keys = ",".join(_KEYS.values())
    command = [
        *(RCLONE, "serve", "s3", directory, "--addr", "127.0.0.1:0", "--auth-key", keys),
        *("--config", ""),
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            yield Credentials(
                {
                    **_KEYS,
                    "AWS_ENDPOINT_URL": _url(server),
                    "AWS_MAX_ATTEMPTS": "1",
                    # It gives each part of an object the checksum of all.
                    "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
                }
            )
        finally:
            server.terminate()
            server.communicate()


def _url(server: subprocess.Popen[str]) -> str:
    assert server.stderr
    for line in server.stderr:
        if found := re.search(r"Starting s3 server on \[(http://[0-9.:]+)/\]", line):
            return found[1]
    raise AssertionError("rclone serves nothing")
