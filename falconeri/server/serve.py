"""Starts both servers of a falconerid, and stops them without dropping a request.

Waitress has the main thread; the hub and its uvicorn share a thread with an event loop of its own.
"""

from __future__ import annotations

import contextlib
import gc
import signal
import threading
from types import FrameType
from typing import TYPE_CHECKING

from falconeri.db.pool import STATEMENT_LIMIT_S, Database
from falconeri.log import get_logger
from falconeri.server.app import make_app
from falconeri.server.auth import Authenticator
from falconeri.server.datum_jobs import DatumJobs
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
"""Of Waitress, and connections of the pool. Requests per second at 32 connections, relative to 8
threads with 8 database connections (medians of 14 rounds in turn, 2 cores, PostgreSQL beside it):

    threads    4     8     8     8    16    16
    database   4     4     8    16     8    16
             .97   .85     1  1.03   .89  1.03

So they are equal, and not more: a thread that waits for a connection wakes others in vain, and 16
database connections for each falconerid are many for 3 %. More requests per second come from more
processes."""

RESERVED = 2
"""Threads that neither lists nor the making of jobs ever take: for those on whom work depends."""


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
        services = make_services(config, read_secret)
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
        stack.callback(waiting.stop)  # before the pool is closed
        waiting.start()
        _calm_collector()
        log.info("serve_ready", port=config.port, wait_port=config.wait_port)
        on_ready()
        rest.run_until(stop)
        waiting.send_away()  # at once: they ask another falconerid
        rest.drain()
    log.info("serve_stopped")


def make_services(
    config: ServerConfig, read_secret: Callable[[str], Mapping[str, str]]
) -> Services:
    """What both servers share. Its database is the caller's to close."""
    slow = threading.BoundedSemaphore(THREADS - RESERVED)
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
        lists=Slots(THREADS // 2, waiting=1, threads=slow, refusal="too many lists are being read"),
        submissions=Slots(
            THREADS // 4, waiting=2, threads=slow, refusal="too many jobs are being made"
        ),
        readiness=Readiness(config.database_url),
        metrics=Metrics(db),
        datum_jobs=DatumJobs(),
    )


def _calm_collector() -> None:
    """Look for cycles of garbage less often, and never in what is here for good.

    Requests leave hardly any. With Python's thresholds, made for small programs, an answered wait
    costs 10 % more processor time, and a claim and completion 3 %.
    """
    gc.freeze()
    gc.enable()
    gc.set_threshold(10_000, 10, 10)
