"""A TCP proxy that loses answers: the request arrives, and its client never hears of it."""

from __future__ import annotations

import select
import threading
from collections.abc import Generator
from contextlib import contextmanager
from socket import create_connection, socket
from socketserver import BaseRequestHandler, ThreadingTCPServer


class LosingProxy(ThreadingTCPServer):
    """Passes everything on, but the first `losses` answers to a POST."""

    def __init__(self, port: int, losses: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = port
        self.losses = losses
        self.stopped = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}/"


class _Handler(BaseRequestHandler):
    server: LosingProxy  # pyright: ignore[reportIncompatibleVariableOverride]
    request: socket

    def handle(self) -> None:
        with create_connection(("127.0.0.1", self.server.upstream)) as upstream:
            posting = False
            while not self.server.stopped.is_set():
                ready, _, _ = select.select([self.request, upstream], [], [], 0.05)
                for source in ready:
                    data = source.recv(65536)
                    from_client = source is self.request
                    if from_client:
                        posting = data.startswith(b"POST") or (
                            posting and not data.startswith(b"GET")
                        )
                    elif posting and self.server.losses:
                        self.server.losses -= 1
                        return  # with both connections
                    if not data:
                        return
                    (upstream if from_client else self.request).sendall(data)


@contextmanager
def losing_proxy(port: int, *, losses: int) -> Generator[LosingProxy]:
    with LosingProxy(port, losses) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield proxy
        finally:
            proxy.stopped.set()
            proxy.shutdown()
            thread.join()
