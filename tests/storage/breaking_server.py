"""A server of S3 and of Google whose answers break off: what a network does, and no mock shows."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Generator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from zlib import crc32

from falconeri.storage import Credentials
from falconeri.storage.checksums import CRC32C

CONTENT = b"0123456789" * 1000
HALF = CONTENT[: len(CONTENT) // 2]
CHANGED = CONTENT.replace(b"9", b"8", 1)


def _base64(crc: int) -> str:
    return b64encode(crc.to_bytes(4, "big")).decode()


CHECKSUMS = {
    "x-amz-checksum-crc32": _base64(crc32(CONTENT)),
    "x-goog-hash": f"crc32c={_base64(CRC32C.update(0, CONTENT))},md5=AAAA",
}


class BreakingServer(ThreadingHTTPServer):
    """Answers each GET with CONTENT, but the first `broken` times with `instead`.

    Args:
        headers: Of each answer, also to a range, as Amazon's and Google's are not.
    """

    def __init__(self, broken: int, instead: bytes, headers: dict[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.broken = broken
        self.instead = instead
        self.headers = headers
        self.requests: list[str] = []
        self.lock = Lock()

    @property
    def credentials(self) -> Credentials:
        url = f"http://127.0.0.1:{self.server_port}"
        return Credentials(
            {
                "AWS_ACCESS_KEY_ID": "AKIATEST",
                "AWS_SECRET_ACCESS_KEY": "a secret nobody may see",
                "AWS_ENDPOINT_URL": url,
                "STORAGE_EMULATOR_HOST": url,
            }
        )


class _Handler(BaseHTTPRequestHandler):
    server: BreakingServer  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        with self.server.lock:
            self.server.requests.append(self.headers["Range"] or "all")
            broken = len(self.server.requests) <= self.server.broken
        content = self.server.instead if broken else CONTENT
        if wanted := re.fullmatch("bytes=([0-9]+)-([0-9]*)", self.headers["Range"] or ""):
            part = slice(int(wanted[1]), int(wanted[2] or len(CONTENT)) + 1)
            self._head(206, len(CONTENT[part]))
            self.wfile.write(content[part])
        else:
            self._head(200, len(CONTENT))
            self.wfile.write(content)
        self.close_connection = True

    def _head(self, status: int, size_bytes: int) -> None:
        self.send_response(status)
        headers = {
            "Content-Length": str(size_bytes),
            "ETag": '"e"',
            "X-Goog-Generation": "1",
            **(CHECKSUMS if status == HTTPStatus.OK else {}),
            **self.server.headers,
        }
        for name, value in headers.items():
            if value:
                self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Be quiet."""


@contextmanager
def breaking_server(
    *, broken: int, instead: bytes, headers: dict[str, str] | None = None
) -> Generator[BreakingServer]:
    with BreakingServer(broken, instead, headers or {}) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
