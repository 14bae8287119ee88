"""The waiting port: the hub and its uvicorn, in a thread with an event loop of its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from falconeri.errors import Unavailable
from falconeri.log import get_logger
from falconeri.server.rest_port import HEADER_LIMIT_S
from falconeri.server.waiting import make_waiting_app

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from falconeri.server.hub import Hub
    from falconeri.server.services import Services

log = get_logger(__name__)

CONNECTIONS = 20_000
"""Beyond so many a request is answered 503: several times the workers that were ever measured at
one falconerid, and 300 MB."""


class WaitingServer:
    """Serves until it is stopped, on sockets that are bound already.

    Args:
        request_limit_s: How long a request may take to arrive, if less than `HEADER_LIMIT_S`.
    """

    def __init__(
        self,
        services: Services,
        hub: Hub,
        sockets: Sequence[socket.socket],
        *,
        request_limit_s: float,
    ) -> None:
        limit_s = min(HEADER_LIMIT_S, request_limit_s)
        protocol: Any = partial(_Protocol, limit_s=limit_s)  # a class, as uvicorn calls it
        self._hub = hub
        self._sockets = list(sockets)
        self._uvicorn = uvicorn.Server(
            uvicorn.Config(
                make_waiting_app(services, hub),
                http=protocol,
                backlog=4096,
                limit_concurrency=CONNECTIONS,
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                timeout_graceful_shutdown=2,
            )
        )
        self._thread = threading.Thread(target=self._run, name="waiting", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()

    def start(self) -> None:
        """Return when the port is open.

        Raises:
            Unavailable: It can't be had.
        """
        self._thread.start()
        while not self._uvicorn.started:
            if not self._thread.is_alive():
                raise Unavailable("can't listen on the waiting port")
            self._ready.wait(0.01)

    def stop(self) -> None:
        """Send the waiters away and close."""
        self._uvicorn.should_exit = True
        if self._loop and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._hub.close)
            self._thread.join(timeout=5)

    def _run(self) -> None:
        # uvicorn exits by SystemExit when it can't start; `start` notices.
        with contextlib.suppress(SystemExit):
            asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        hub = asyncio.create_task(self._hub.run())
        try:
            await self._uvicorn.serve(sockets=self._sockets)
        finally:
            hub.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await hub


class _Protocol(H11Protocol):
    """Drops who doesn't bring a whole request in time. Requests are small here."""

    def __init__(self, *, limit_s: float, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's
        super().__init__(**kwargs)
        self._limit_s = limit_s
        self._limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._begin()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._end()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state in (h11.IDLE, h11.SEND_BODY):
            self._begin()
        else:
            self._end()

    def _begin(self) -> None:
        if self._limit is None and not self.transport.is_closing():
            self._limit = self.loop.call_later(self._limit_s, self._drop)

    def _end(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _drop(self) -> None:
        log.info("client_dropped", reason="slow_request", peer=self.client and self.client[0])
        self.transport.abort()
