"""Runs the background tasks until stopped. Called by the daemon.

Workers of a local cluster are children of this process and end with it; their datums are given back
on the way out, or by the next babysitter.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import psycopg

from falconeri.babysitter.passes import Babysitter
from falconeri.babysitter.tasks import QUEUE, make_tasks
from falconeri.cluster.choice import open_cluster
from falconeri.db.pool import Database
from falconeri.errors import Unavailable
from falconeri.log import get_logger

if TYPE_CHECKING:
    from falconeri.config import ServerConfig

log = get_logger(__name__)

CONCURRENCY = 4
"""Tasks at once, and connections for them."""


def run(config: ServerConfig) -> None:
    """Work until SIGTERM or SIGINT, or until the database is gone for good.

    Raises:
        Unavailable: The database can't be reached.
        Conflict: Another process runs the workers of this state directory.
    """
    undertaker = _Undertaker()
    db = Database(config.database_url, size=CONCURRENCY + 1, name="falconerid tasks")
    cluster = open_cluster(config, undertaker.call)
    babysitter = Babysitter(db, cluster, config.password)
    undertaker.start(babysitter)
    try:
        asyncio.run(_work(config.database_url, babysitter))
    except psycopg.OperationalError as ex:
        raise Unavailable("the database can't be reached", detail=str(ex)) from ex
    finally:
        cluster.close()
        undertaker.stop()
        db.close()
    log.info("tasks_stopped")


async def _work(database_url: str, babysitter: Babysitter) -> None:
    app = make_tasks(database_url, babysitter)
    async with app.open_async():
        log.info("tasks_ready")
        await app.run_worker_async(
            queues=[QUEUE],
            concurrency=CONCURRENCY,
            delete_jobs="successful",
            shutdown_graceful_timeout=10,
        )


class _Undertaker:
    """A thread that gives back a dead worker's datum the moment the cluster sees its end."""

    def __init__(self) -> None:
        self._called = threading.Event()
        self._over = False
        self._thread: threading.Thread | None = None

    def call(self) -> None:
        """Say that there is a death. Returns at once."""
        self._called.set()

    def start(self, babysitter: Babysitter) -> None:
        """Begin to work."""
        self._thread = threading.Thread(
            target=self._work, args=(babysitter,), name="undertaker", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Bury the last ones, then end."""
        self._over = True
        self._called.set()
        if self._thread:
            self._thread.join(timeout=3)

    def _work(self, babysitter: Babysitter) -> None:
        while not self._over:
            self._called.wait()
            self._called.clear()
            try:
                babysitter.bury_dead()
            except Exception:
                # The next look_around finds them by the claims that they hold.
                log.exception("bury_dead_failed")
