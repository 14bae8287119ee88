"""A real HTTP server whose answers a test writes down beforehand."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Reply:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Chunks:
    """A body of chunks, without its length."""

    chunks: tuple[bytes, ...]
    ending: bytes = b"0\r\n\r\n"
    """What comes after the last one; then the connection is closed."""


@dataclass(frozen=True)
class Seen:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int


Script = Callable[[Seen], Reply | Chunks | None]
"""Answers a request; None closes the connection without an answer."""


class _Http(ThreadingHTTPServer):
    def __init__(self, closed: threading.Semaphore, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self._closed = closed

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        super().shutdown_request(request)
        self._closed.release()


class Server:
    def __init__(self, script: Script) -> None:
        self.seen: list[Seen] = []
        self.closed_connections = threading.Semaphore(0)
        self._script = script
        self._connections = 0
        self._http = _Http(self.closed_connections, self._handler())
        self.url = f"http://127.0.0.1:{self._http.server_port}/"
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # else each call costs 40 ms

            def setup(self) -> None:
                super().setup()
                server._connections += 1
                self.connection_number = server._connections

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = dict(self.headers.items())
                seen = Seen(self.command, self.path, headers, body, self.connection_number)
                server.seen.append(seen)
                reply = server._script(seen)
                if reply is None:
                    self.close_connection = True
                    return
                try:
                    _send(self, reply)
                except ConnectionError:  # a client that has gone, as some tests want it
                    self.close_connection = True

            do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_GET  # noqa: N815 (names that http.server looks for)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        return Handler


def _send(handler: BaseHTTPRequestHandler, reply: Reply | Chunks) -> None:
    if isinstance(reply, Chunks):
        handler.close_connection = True
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for chunk in reply.chunks:
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        handler.wfile.write(reply.ending)
        return
    handler.send_response(reply.status)
    for name, value in ({"Content-Length": str(len(reply.body))} | reply.headers).items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(reply.body)


@contextmanager
def serving(script: Script) -> Generator[Server]:
    server = Server(script)
    try:
        yield server
    finally:
        server.close()


def in_turn(*replies: Reply | Chunks | None) -> Script:
    """Answer the first request with the first reply, and so on; the last one is repeated."""
    remaining = list(replies)
    return lambda _: remaining.pop(0) if len(remaining) > 1 else remaining[0]


def of_json(value: object, status: int = 200) -> Reply:
    return Reply(status, json.dumps(value).encode(), {"Content-Type": "application/json"})
