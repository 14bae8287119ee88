"""An S3 server whose answers break off: what a network does, and no mock shows."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Generator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from zlib import crc32

from falconeri.storage import Credentials

CONTENT = b"0123456789" * 1000
HALF = CONTENT[: len(CONTENT) // 2]
CHANGED = CONTENT.replace(b"9", b"8", 1)

_CRC32 = b64encode(crc32(CONTENT).to_bytes(4, "big")).decode()


class BreakingServer(ThreadingHTTPServer):
    """Answers each GET with CONTENT, but the first `broken` times with `instead`."""

    def __init__(self, broken: int, instead: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.broken = broken
        self.instead = instead
        self.requests = 0

    @property
    def credentials(self) -> Credentials:
        return Credentials(
            {
                "AWS_ACCESS_KEY_ID": "AKIATEST",
                "AWS_SECRET_ACCESS_KEY": "a secret nobody may see",
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.server_port}",
            }
        )


class _Handler(BaseHTTPRequestHandler):
    server: BreakingServer  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        self.server.requests += 1
        content = self.server.instead if self.server.requests <= self.server.broken else CONTENT
        if wanted := re.fullmatch("bytes=([0-9]+)-([0-9]*)", self.headers["Range"] or ""):
            part = slice(int(wanted[1]), int(wanted[2] or len(CONTENT)) + 1)
            self._head(206, len(CONTENT[part]))
            self.wfile.write(content[part])
        else:
            self._head(200, len(CONTENT))
            self.wfile.write(content)
        self.close_connection = True

    def do_HEAD(self) -> None:
        self._head(200, len(CONTENT))

    def _head(self, status: int, size_bytes: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(size_bytes))
        self.send_header("ETag", '"e"')
        if status == HTTPStatus.OK:
            self.send_header("x-amz-checksum-crc32", _CRC32)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Be quiet."""


@contextmanager
def breaking_server(*, broken: int, instead: bytes) -> Generator[BreakingServer]:
    with BreakingServer(broken, instead) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
