"""A TCP proxy that lets so many bytes a second through, each way, as a network does."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress

_CHUNK_BYTES = 64 * 1024


class _Meter:
    """One direction of the link; all connections share it."""

    def __init__(self, bytes_per_s: float) -> None:
        self._bytes_per_s = bytes_per_s
        self._free_at = 0.0
        self._lock = threading.Lock()

    def pass_on(self, size_bytes: int) -> None:
        with self._lock:
            self._free_at = max(self._free_at, time.monotonic()) + size_bytes / self._bytes_per_s
            wait_s = self._free_at - time.monotonic()
        if wait_s > 0:
            time.sleep(wait_s)


@contextmanager
def slow_link(port: int, bytes_per_s: float) -> Generator[int]:
    """Give a port of this machine that leads to another one."""
    up, down = _Meter(bytes_per_s), _Meter(bytes_per_s)
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        threading.Thread(target=_accept, args=(listener, port, up, down), daemon=True).start()
        yield int(listener.getsockname()[1])


def _accept(listener: socket.socket, port: int, up: _Meter, down: _Meter) -> None:
    while True:
        try:
            near, _ = listener.accept()
        except OSError:  # closed
            return
        far = socket.create_connection(("127.0.0.1", port))
        for source, sink, meter in ((near, far, up), (far, near, down)):
            threading.Thread(target=_pump, args=(source, sink, meter), daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket, meter: _Meter) -> None:
    with suppress(OSError):
        while data := source.recv(_CHUNK_BYTES):
            meter.pass_on(len(data))
            sink.sendall(data)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
