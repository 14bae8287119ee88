"""Starts both servers of a falconerid, and stops them without dropping a request.

Waitress has the main thread; the hub and its uvicorn share a thread with an event loop of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import threading
import time
from types import FrameType
from typing import TYPE_CHECKING, Any

import uvicorn
from waitress import wasyncore
from waitress.server import create_server

from falconeri.db.pool import Database
from falconeri.errors import Unavailable
from falconeri.log import get_logger
from falconeri.server.app import make_app
from falconeri.server.auth import Authenticator
from falconeri.server.exchange import MAX_BODY_BYTES
from falconeri.server.hub import Hub
from falconeri.server.services import Services
from falconeri.server.waiting import make_waiting_app

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from falconeri.config import ServerConfig

log = get_logger(__name__)

THREADS = 8
"""Of waitress, and connections of the pool: equal, since threads beyond the pool cost three
quarters of the throughput. More requests per second come from more replicas."""

DRAIN_S = 25.0
"""How long requests in flight may take when the server stops; Kubernetes kills after 30."""


def serve(config: ServerConfig, read_secret: Callable[[str], Mapping[str, str]]) -> None:
    """Serve until SIGTERM or SIGINT, then finish the requests in flight.

    Raises:
        Unavailable: A port is taken, or can't be had.
    """
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    db = Database(config.database_url, size=THREADS, name="falconerid")
    services = Services(
        db,
        Authenticator(config.password, config.read_password),
        read_secret,
        max_datums=config.max_datums,
    )
    waiting = _WaitingServer(config, services)
    try:
        rest = _RestServer(config, services)
        waiting.start()
        log.info("serve_ready", port=config.port, wait_port=config.wait_port)
        rest.run_until(stop)
    finally:
        # Waiters are sent away first: they hold nothing, and ask another replica.
        waiting.stop()
        db.close()
    log.info("serve_stopped")


class _RestServer:
    """Waitress, with a loop that can be stopped gently."""

    def __init__(self, config: ServerConfig, services: Services) -> None:
        # Its warning "task queue depth" is one line for each request that waits a moment.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        self._map: dict[int, Any] = {}
        try:
            self._server = create_server(
                make_app(services),
                map=self._map,
                host=config.host,
                port=config.port,
                threads=THREADS,
                connection_limit=4000,  # the default of 100 stops accepting then
                asyncore_use_poll=True,  # select() ends at descriptor 1024
                backlog=1024,
                channel_timeout=120,
                max_request_body_size=MAX_BODY_BYTES,
                max_request_header_size=16384,
                ident=None,
            )
        except OSError as ex:
            raise Unavailable(f"can't listen on port {config.port}", detail=str(ex)) from ex

    def run_until(self, stop: threading.Event) -> None:
        """Serve until `stop`, then until the requests in flight are answered."""
        while not stop.is_set():
            wasyncore.loop(timeout=0.5, use_poll=True, map=self._map, count=1)
        self._server.close()
        deadline = time.monotonic() + DRAIN_S
        while any(map(_is_busy, self._channels())) and time.monotonic() < deadline:
            wasyncore.loop(timeout=0.1, use_poll=True, map=self._map, count=1)
        self._server.task_dispatcher.shutdown()

    def _channels(self) -> list[Any]:
        return [channel for channel in self._map.values() if hasattr(channel, "requests")]


def _is_busy(channel: Any) -> bool:  # noqa: ANN401 - waitress is untyped
    """Whether a connection has a request in work or an answer on its way."""
    return bool(channel.requests or channel.request or channel.total_outbufs_len)


class _WaitingServer:
    """The hub and its uvicorn, in a thread with an event loop."""

    def __init__(self, config: ServerConfig, services: Services) -> None:
        self._hub = Hub(config.database_url)
        self._config = config
        self._uvicorn = uvicorn.Server(
            uvicorn.Config(
                make_waiting_app(services, self._hub),
                host=config.host,
                port=config.wait_port,
                backlog=4096,
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
                raise Unavailable(f"can't listen on port {self._config.wait_port}")
            self._ready.wait(0.01)

    def stop(self) -> None:
        """Send the waiters away and close."""
        self._uvicorn.should_exit = True
        if self._loop and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._hub.close)
            self._thread.join(timeout=5)

    def _run(self) -> None:
        # uvicorn exits by SystemExit when it can't have the port; `start` notices.
        with contextlib.suppress(SystemExit):
            asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        hub = asyncio.create_task(self._hub.run())
        try:
            await self._uvicorn.serve()
        finally:
            hub.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await hub
