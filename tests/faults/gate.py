"""A TCP proxy in front of an HTTP server, which can be shut, and at which things happen."""

from __future__ import annotations

import re
import select
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from socket import create_connection, socket
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Literal

_REQUEST = re.compile(rb"(GET|HEAD|POST|PUT|PATCH|DELETE) (\S+) HTTP/1\.1\r\n")


@dataclass(frozen=True)
class Trap:
    """Something to do, once, when a request comes by or before its answer does."""

    request: re.Pattern[str]
    when: Literal["before", "after"]
    action: Callable[[], object]


class Gate(ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Passage)
        self.upstream = port
        self.url = f"http://127.0.0.1:{self.server_address[1]}/"
        self.is_shut = threading.Event()
        self.closed = threading.Event()
        self.refusals = 0
        self._trap: Trap | None = None
        self._lock = threading.Lock()

    def set_trap(
        self, request: str, when: Literal["before", "after"], action: Callable[[], object]
    ) -> None:
        """Act at the first request whose method and path match; nothing of it passes then."""
        self._trap = Trap(re.compile(request), when, action)

    def spring(self, request: str, when: Literal["before", "after"]) -> bool:
        with self._lock:
            trap = self._trap
            if trap is None or trap.when != when or not trap.request.match(request):
                return False
            self._trap = None
        trap.action()
        return True

    def handle_error(self, request: object, client_address: object) -> None:
        """Be quiet: connections break here."""


class _Passage(BaseRequestHandler):
    server: Gate  # pyright: ignore[reportIncompatibleVariableOverride]
    request: socket

    def handle(self) -> None:
        if self.server.is_shut.is_set():
            self.server.refusals += 1
            return
        with create_connection(("127.0.0.1", self.server.upstream)) as upstream:
            asked = ""
            while not (self.server.closed.is_set() or self.server.is_shut.is_set()):
                ready, _, _ = select.select([self.request, upstream], [], [], 0.05)
                for source in ready:
                    if not (data := source.recv(65536)):
                        return
                    if source is self.request:
                        if line := _REQUEST.match(data):
                            asked = f"{line[1].decode()} {line[2].decode()}"
                        if self.server.spring(asked, "before"):
                            return
                        upstream.sendall(data)
                    else:
                        if self.server.spring(asked, "after"):
                            return
                        self.request.sendall(data)


@contextmanager
def gate(port: int) -> Generator[Gate]:
    with Gate(port) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.closed.set()
            with suppress(OSError):
                server.shutdown()
            thread.join()
