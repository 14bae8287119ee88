"""Starts both servers of a falconerid, and stops them without dropping a request.

Waitress has the main thread; the hub and its uvicorn share a thread with an event loop of its own.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from types import FrameType
from typing import TYPE_CHECKING

from falconeri.db.pool import STATEMENT_LIMIT_S, Database
from falconeri.log import get_logger
from falconeri.server.app import make_app
from falconeri.server.auth import Authenticator
from falconeri.server.hub import Hub
from falconeri.server.metrics import Metrics
from falconeri.server.readiness import Readiness
from falconeri.server.rest_port import RestServer
from falconeri.server.services import Services
from falconeri.server.slots import Slots
from falconeri.server.sockets import allow_many, bound
from falconeri.server.waiting_port import WaitingServer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from falconeri.config import ServerConfig

log = get_logger(__name__)

THREADS = 8
"""Of waitress, and connections of the pool: equal, since threads beyond the pool cost three
quarters of the throughput. More requests per second come from more processes."""


def serve(
    config: ServerConfig,
    read_secret: Callable[[str], Mapping[str, str]],
    *,
    on_ready: Callable[[], object] = lambda: None,
) -> None:
    """Serve until SIGTERM or SIGINT, then finish the requests in flight.

    Raises:
        Unavailable: A port is taken, or can't be had.
    """
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    allow_many()
    with contextlib.ExitStack() as stack:
        shared = config.processes > 1
        rest_sockets = bound(config.host, config.port, shared=shared)
        wait_sockets = bound(config.host, config.wait_port, shared=shared)
        services = _services(config, read_secret)
        stack.callback(services.db.close)
        rest = RestServer(
            make_app(services),
            rest_sockets,
            threads=THREADS,
            request_limit_s=config.request_limit_s,
        )
        hub = Hub(config.database_url)
        services.metrics.count_waiters_by(hub.count)
        waiting = WaitingServer(
            services,
            hub,
            wait_sockets,
            request_limit_s=config.request_limit_s,
        )
        # Waiters are sent away before the pool is closed; they ask another falconerid.
        stack.callback(waiting.stop)
        waiting.start()
        log.info("serve_ready", port=config.port, wait_port=config.wait_port)
        on_ready()
        rest.run_until(stop)
    log.info("serve_stopped")


def _services(config: ServerConfig, read_secret: Callable[[str], Mapping[str, str]]) -> Services:
    return Services(
        db := Database(
            config.database_url,
            size=THREADS,
            name="falconerid",
            statement_limit_s=STATEMENT_LIMIT_S,
        ),
        Authenticator(config.password, config.read_password),
        read_secret,
        max_datums=config.max_datums,
        # With one that waits there are threads left for those on whom work depends.
        lists=Slots(THREADS // 2, waiting=1),
        readiness=Readiness(config.database_url),
        metrics=Metrics(db),
    )
