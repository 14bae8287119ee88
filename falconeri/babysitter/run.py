"""Runs the background tasks until stopped. Called by the daemon.

Workers of a local cluster are children of this process and end with it; their datums are given back
on the way out, or by the next babysitter. So that they needn't end with each restart of the
database, we outlive it: tasks rest until it is back, however long that takes.
"""

from __future__ import annotations

import asyncio
import math
import signal
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import psycopg
from procrastinate.exceptions import ConnectorException

from falconeri.babysitter.passes import Babysitter
from falconeri.babysitter.pulse import EVERY_S, Pulse, serving
from falconeri.babysitter.revival import revive
from falconeri.babysitter.tasks import QUEUE, make_tasks
from falconeri.client.retry import RetryPolicy
from falconeri.cluster.choice import open_cluster
from falconeri.db.pool import Database
from falconeri.errors import Conflict
from falconeri.log import get_logger

if TYPE_CHECKING:
    from falconeri.config import ServerConfig

log = get_logger(__name__)

CONCURRENCY = 4
"""Tasks at once, and connections for them."""

GRACE_S = 10
"""How long tasks under way may take when we stop, or have lost the database."""

STEADY_S = 60.0
"""A session that lasted so long was a good one: the next loss is a first one again."""

_PAUSES = RetryPolicy(deadline_s=math.inf, base_s=1.0, cap_s=15.0)
_PROBE_S = 3


def run(config: ServerConfig) -> None:
    """Work until SIGTERM or SIGINT.

    Raises:
        Conflict: Another process runs the workers of this state directory, or has the port.
    """
    undertaker = _Undertaker()
    db = Database(config.database_url, size=CONCURRENCY + 1, name="falconerid tasks")
    cluster = open_cluster(config, undertaker.call)
    babysitter = Babysitter(db, cluster, config.password, config.job_retention_s)
    undertaker.start(babysitter)
    try:
        with _answering(config, babysitter):
            asyncio.run(_work(config.database_url, babysitter))
    finally:
        cluster.close()
        undertaker.stop()
        db.close()
    log.info("tasks_stopped")


@contextmanager
def _answering(config: ServerConfig, babysitter: Babysitter) -> Generator[None]:
    """Tell probes how we are, if anybody wants to know.

    Raises:
        Conflict: Another process has the port.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(serving(babysitter.pulse, config.host, config.health_port))
        except OSError as ex:
            detail = f"{config.health_port}: {ex.strerror}"
            raise Conflict("FALCONERI_HEALTH_PORT can't be had", detail=detail) from ex
        yield


async def _work(database_url: str, babysitter: Babysitter) -> None:
    """Work until told to stop, in as many sessions as it takes.

    The signals are ours, not procrastinate's: its worker returns in the same way when it was told
    to stop and when it has lost the database.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    stopped = asyncio.create_task(stop.wait())
    beating = asyncio.create_task(_beat(babysitter.pulse))
    try:
        await _work_until(stopped, database_url, babysitter)
    finally:
        beating.cancel()


async def _beat(pulse: Pulse) -> None:
    while True:
        pulse.beat()
        await asyncio.sleep(EVERY_S)


async def _work_until(
    stopped: asyncio.Task[bool], database_url: str, babysitter: Babysitter
) -> None:
    failures = 0
    while not stopped.done():
        began = asyncio.get_running_loop().time()
        session = asyncio.create_task(_session(database_url, babysitter))
        await asyncio.wait({session, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if stopped.done():
            await _finish(session, database_url, babysitter)
            return
        steady = asyncio.get_running_loop().time() - began > STEADY_S
        failures = 1 if steady else failures + 1
        pause_s = _PAUSES.pause_s(failures)
        log.warning("tasks_interrupted", reason=await session, pause_s=round(pause_s, 1))
        await asyncio.wait({stopped}, timeout=pause_s)


async def _session(database_url: str, babysitter: Babysitter) -> str:
    """Work until the database is lost; return why it ended. Gentle when canceled."""
    app = make_tasks(database_url, babysitter)
    try:
        await _probe(database_url)  # the pool of an absent database would keep us for half a minute
        async with app.open_async():
            log.info("tasks_ready")
            await revive(app)
            await app.run_worker_async(
                queues=[QUEUE],
                concurrency=CONCURRENCY,
                delete_jobs="successful",
                shutdown_graceful_timeout=GRACE_S,
                install_signal_handlers=False,
            )
    except (psycopg.OperationalError, ConnectorException) as ex:
        return str(ex.__cause__ or ex)
    return "its worker ended by itself"


async def _finish(session: asyncio.Task[str], database_url: str, babysitter: Babysitter) -> None:
    """Let the tasks under way end. Not if the database is away: they would only wait for it."""
    babysitter.stopping.set()
    session.cancel()
    try:
        await _probe(database_url)
    except psycopg.OperationalError:
        await asyncio.to_thread(babysitter.db.close)
        while not session.done():  # the first time it only begins to end gently
            session.cancel()
            await asyncio.wait({session}, timeout=0.1)
    else:
        await asyncio.wait({session}, timeout=GRACE_S)


async def _probe(database_url: str) -> None:
    """Connect once.

    Raises:
        psycopg.OperationalError: The database is away, or takes too long.
    """
    conn = await psycopg.AsyncConnection.connect(database_url, connect_timeout=_PROBE_S)
    await conn.close()


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
