"""A small TCP load balancer: connections in turn to several backends, of those that accept.

As Kubernetes' services do, it knows nothing of HTTP but what the tests want to know: whether a
connection ended while a request of it was unanswered.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager

_HOST = "127.0.0.1"
_CHUNK_BYTES = 2**16


class Balancer:
    """One port; its methods are for its own event loop but for `port`, `cut` and `add`."""

    def __init__(self, backends: Sequence[int]) -> None:
        self.port = 0
        self.cut = 0
        """Connections that a backend ended when it had got something and answered nothing to it."""
        self.served = dict.fromkeys(backends, 0)
        """Connections by backend."""
        self._turn = list(backends)
        self._open: set[asyncio.Task[None]] = set()

    def add(self, port: int) -> None:
        """One more backend, for connections that come from now on."""
        self.served[port] = 0
        self._turn.append(port)

    async def serve(self, host: str, started: threading.Event, stop: asyncio.Event) -> None:
        server = await asyncio.start_server(self._accept, host, 0)
        async with server:
            self.port = server.sockets[0].getsockname()[1]
            started.set()
            await stop.wait()
            for task in self._open:
                task.cancel()
            await asyncio.gather(*self._open, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await self._connect(reader, writer)
        finally:
            self._open.discard(task)
            writer.close()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for port in list(self._turn):
            self._turn.remove(port)
            self._turn.append(port)
            try:
                backend = await asyncio.open_connection(_HOST, port)
            except OSError:  # dead: the next one
                continue
            self.served[port] += 1
            await self._join(reader, writer, *backend)
            return

    async def _join(
        self,
        client: asyncio.StreamReader,
        to_client: asyncio.StreamWriter,
        backend: asyncio.StreamReader,
        to_backend: asyncio.StreamWriter,
    ) -> None:
        unanswered = False

        async def up() -> None:
            nonlocal unanswered
            while chunk := await client.read(_CHUNK_BYTES):
                unanswered = True
                to_backend.write(chunk)

        async def down() -> None:
            nonlocal unanswered
            try:
                while chunk := await backend.read(_CHUNK_BYTES):
                    unanswered = False
                    to_client.write(chunk)
            finally:
                self.cut += unanswered and not client.at_eof()

        tasks = [asyncio.create_task(up()), asyncio.create_task(down())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            to_backend.close()


@contextmanager
def balancing(backends: Sequence[int], host: str = _HOST) -> Generator[Balancer]:
    """A balancer in a thread of its own."""
    balancer = Balancer(backends)
    started = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    def run() -> None:
        with contextlib.closing(loop):
            loop.run_until_complete(balancer.serve(host, started, stop))

    thread = threading.Thread(target=run, name="balancer")
    thread.start()
    try:
        assert started.wait(30)
        yield balancer
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
