"""The waiting port: the hub and its uvicorn, in a thread with an event loop of its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from falconeri.errors import Unavailable
from falconeri.log import get_logger
from falconeri.server.edge import HEADER, around_asgi, request_id
from falconeri.server.presence import keep
from falconeri.server.refusals import http_error, refuse
from falconeri.server.rest_port import CROWDED_LIMIT_S, HEADER_LIMIT_S, STALL_LIMIT_S
from falconeri.server.sockets import drop_unheard
from falconeri.server.waiting import make_waiting_app
from falconeri.wire import codec
from falconeri.wire.records import ErrorBody

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from falconeri.server.hub import Hub
    from falconeri.server.services import Services

log = get_logger(__name__)

CONNECTIONS = 20_000
"""Whoever comes when there are so many is answered 503: several times the workers that were ever
measured at one falconerid, and 300 MB."""

STOP_S = 5.0
"""How long the waiting port may take to stop: it is done long before the REST port, if any request
is still in work there."""

_CROWDED = around_asgi(
    refuse(
        503,
        ErrorBody(Unavailable.code, "too many clients wait here", hint="try again in a moment"),
        (b"retry-after", b"2"),
    )
)


@dataclass(frozen=True)
class _Limits:
    """Of a connection; see the constants."""

    connections: int
    request_s: float
    stall_s: float


class WaitingServer:
    """Serves until it is stopped, on sockets that are bound already.

    Args:
        request_limit_s: How long a request may take to arrive, if less than `HEADER_LIMIT_S`;
            requests are small here. An answer may not stand still for longer, either.
        connections: At most so many are served at once.
    """

    def __init__(
        self,
        services: Services,
        hub: Hub,
        sockets: Sequence[socket.socket],
        *,
        request_limit_s: float,
        connections: int = CONNECTIONS,
    ) -> None:
        limits = _Limits(
            connections,
            request_s=min(HEADER_LIMIT_S, request_limit_s),
            stall_s=min(STALL_LIMIT_S, request_limit_s),
        )
        protocol: Any = partial(_Protocol, limits=limits)  # a class, as uvicorn calls it
        self._hub = hub
        self._sockets = list(sockets)
        self._uvicorn = uvicorn.Server(
            uvicorn.Config(
                make_waiting_app(services, hub),
                http=protocol,
                backlog=4096,  # all who wait come again at once when another falconerid ends
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                log_level="error",  # below: a line for each request that isn't one
                server_header=False,
                proxy_headers=False,  # the REST port believes them of nobody, either
                timeout_graceful_shutdown=2,  # all are sent away before; 5,000 take half a second
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

    def send_away(self) -> None:
        """Begin to stop: all waiters are answered, nobody is let in any more. A repeat is fine."""
        self._uvicorn.should_exit = True
        if self._loop:
            with contextlib.suppress(RuntimeError):  # the loop is closed: it has stopped already
                self._loop.call_soon_threadsafe(self._hub.close)

    def stop(self) -> None:
        """The same, and wait for the end."""
        self.send_away()
        if self._thread.is_alive():
            self._thread.join(timeout=STOP_S)

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
    """Drops who doesn't bring a whole request in time, or takes nothing of an answer."""

    def __init__(self, *, limits: _Limits, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's
        super().__init__(**kwargs)
        self._limits = limits
        self._limit: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._gone: asyncio.Future[None] = self.loop.create_future()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.set_write_buffer_limits(0)  # any byte that is not taken pauses writing
        drop_unheard(transport.get_extra_info("socket"), after_s=self._limits.stall_s)
        present = len(self.connections)
        if present > self._limits.connections:
            self.app = _CROWDED
        if present > self._limits.connections * 3 // 4:
            self._limits = replace(self._limits, request_s=CROWDED_LIMIT_S)
        self._begin()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._gone.set_result(None)
        self._end()
        self._end_stall()

    def handle_events(self) -> None:
        """Take what has arrived; also when an answer is sent and the next request waits."""
        super().handle_events()
        scope: Any = self.scope  # None before the first request
        if scope is not None:  # a request's task begins after this
            keep(scope, self._gone)
        if self.conn.their_state in (h11.IDLE, h11.SEND_BODY):
            self._begin()
        else:
            self._end()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_stall()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._end_stall()

    def send_400_response(self, msg: str) -> None:
        """Answer what isn't HTTP, if no answer is on its way."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = codec.encode(http_error(400, msg))
            headers = [
                (b"content-type", b"application/json"),
                (b"content-length", b"%d" % len(body)),
                (b"connection", b"close"),
                (HEADER.encode(), request_id(None).encode()),
            ]
            start = h11.Response(status_code=400, headers=headers, reason=b"Bad Request")
            for event in (start, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _begin(self) -> None:
        if self._limit is None and not self.transport.is_closing():
            self._limit = self.loop.call_later(self._limits.request_s, self._drop, "slow_request")

    def _end(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _watch_stall(self) -> None:
        """Look after a while whether the client has taken anything."""
        left = self.transport.get_write_buffer_size()

        def look() -> None:
            if self.transport.get_write_buffer_size() < left:
                self._watch_stall()
            else:
                self._drop("slow_reader")

        self._stall = self.loop.call_later(self._limits.stall_s, look)

    def _end_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _drop(self, reason: str) -> None:
        log.info("client_dropped", reason=reason, peer=self.client and self.client[0])
        self.transport.abort()
