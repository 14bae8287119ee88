"""Where clients wait: thousands of them, on one event loop, with two database connections in all.

One connection LISTENs. The other claims *on behalf of the waiting workers*, in batches: k ready
datums wake k workers, the others sleep on. Nothing is missed: before the hub lets workers sleep it
asks the job's shards to notify (`watch_job`) and looks once more; after a lost LISTEN connection it
looks at everything again; and every SAFETY_S it does so anyway.

A claim made for a worker that has gone meanwhile is no loss: the pod gets the same datum when it
asks again, and if it is dead its claim is given back like any other.

Called by `waiting`; knows nothing of HTTP.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

import psycopg

from falconeri.db import waiting as db
from falconeri.db.pool import CONNECTION_SETTINGS
from falconeri.errors import FalconeriError
from falconeri.log import get_logger
from falconeri.states import Verdict
from falconeri.wire.records import Progress
from falconeri.wire.work import WorkAnswer, WorkerIdentity

log = get_logger(__name__)

T = TypeVar("T")

SAFETY_S = 30.0
"""The longest that a missed notification can go unnoticed."""

BATCH = 500
"""Workers served by one claim: enough for speed, few enough for short transactions."""

RECONNECT_S = 0.5
BUSY_S = 0.005

EMPTY = WorkAnswer(verdict=Verdict.EMPTY)
ENDED = WorkAnswer(verdict=Verdict.ENDED)


@dataclass
class _Room:
    """Who waits for one job."""

    workers: dict[str, tuple[WorkerIdentity, asyncio.Future[WorkAnswer]]] = field(
        default_factory=dict[str, tuple[WorkerIdentity, asyncio.Future[WorkAnswer]]]
    )
    """By pod, in the order of their coming."""
    watchers: set[asyncio.Future[Progress]] = field(default_factory=set[asyncio.Future[Progress]])
    """Those who wait for the job's end."""

    def turn_away(self, error: FalconeriError) -> None:
        """Answer everybody with an error."""
        for _, future in self.workers.values():
            if not future.done():
                future.set_exception(error)
        for watcher in self.watchers:
            if not watcher.done():
                watcher.set_exception(error)


class Hub:
    """All waiting of one falconerid. Its methods are for its own event loop only."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._rooms: defaultdict[UUID, _Room] = defaultdict(_Room)
        self._dirty: set[UUID] = set()
        self._wake = asyncio.Event()
        self._closing = False

    def count(self) -> int:
        """How many wait; from any thread, and then not to the last one."""
        return sum(len(room.workers) + len(room.watchers) for room in list(self._rooms.values()))

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._for_ever(self._listen))
            group.create_task(self._for_ever(self._dispatch))

    def close(self) -> None:
        """Send all waiters away: they ask again, another falconerid."""
        self._closing = True
        for room in self._rooms.values():
            for _, future in room.workers.values():
                _resolve(future, EMPTY)
            for watcher in room.watchers:
                watcher.cancel()

    @asynccontextmanager
    async def worker(
        self, job_id: UUID, who: WorkerIdentity
    ) -> AsyncGenerator[asyncio.Future[WorkAnswer]]:
        """A place in the queue for work of a job, left with the context.

        A pod has one place: if it asks anew, its earlier request is answered `empty`.
        """
        future = asyncio.get_running_loop().create_future()
        room = self._rooms[job_id]
        if earlier := room.workers.pop(who.pod_name, None):
            _resolve(earlier[1], EMPTY)
        room.workers[who.pod_name] = (who, future)
        if self._closing:
            _resolve(future, EMPTY)
        self._look_at(job_id)
        try:
            yield future
        finally:
            if room.workers.get(who.pod_name, (None, None))[1] is future:
                del room.workers[who.pod_name]
            self._leave(job_id)

    @asynccontextmanager
    async def watcher(self, job_id: UUID) -> AsyncGenerator[asyncio.Future[Progress]]:
        """A place among those who wait for a job's end, left with the context."""
        future = asyncio.get_running_loop().create_future()
        self._rooms[job_id].watchers.add(future)
        if self._closing:
            future.cancel()
        self._look_at(job_id)
        try:
            yield future
        finally:
            self._rooms[job_id].watchers.discard(future)
            self._leave(job_id)

    def _leave(self, job_id: UUID) -> None:
        room = self._rooms[job_id]
        if not room.workers and not room.watchers:
            del self._rooms[job_id]

    def _look_at(self, *job_ids: UUID) -> None:
        self._dirty.update(job_ids)
        self._wake.set()

    async def _for_ever(self, work: Callable[[], Awaitable[None]]) -> None:
        """Begin again, with a new connection, whenever one is lost."""
        while True:
            try:
                await work()
            except psycopg.Error as ex:
                log.warning("hub_connection_lost", error=str(ex))
            except Exception:
                log.exception("hub_failed")
            await asyncio.sleep(RECONNECT_S)

    async def _listen(self) -> None:
        async with await self._connect("falconerid listen") as conn:
            await conn.execute("listen falconeri_job")
            while True:
                # Whatever happened before we listened, or was missed: look at everything.
                self._look_at(*self._rooms)
                async for notification in conn.notifies(timeout=SAFETY_S):
                    self._look_at(UUID(notification.payload))
                await conn.execute("select 1")

    async def _dispatch(self) -> None:
        """One claim in flight at a time: the more wait, the larger the batches."""
        async with await self._connect("falconerid dispatch") as conn:
            while True:
                while self._dirty:
                    await self._serve(conn, next(iter(self._dirty)))
                self._wake.clear()
                await self._wake.wait()

    async def _serve(self, conn: psycopg.AsyncConnection, job_id: UUID) -> None:
        """Give a job's waiters what there is. The job stays dirty if the database fails us."""
        room = self._rooms.get(job_id)
        if room:
            try:
                await self._serve_workers(conn, job_id, room)
                await self._serve_watchers(conn, job_id, room)
            except FalconeriError as ex:
                room.turn_away(ex)
        self._dirty.discard(job_id)

    async def _serve_workers(
        self, conn: psycopg.AsyncConnection, job_id: UUID, room: _Room
    ) -> None:
        if await self._hand_out(conn, job_id, room) is Verdict.EMPTY:
            await db.watch_job(conn, job_id=job_id)
            # What became ready before we watched is found now; what comes later is notified.
            await self._hand_out(conn, job_id, room)

    async def _serve_watchers(
        self, conn: psycopg.AsyncConnection, job_id: UUID, room: _Room
    ) -> None:
        if not room.watchers:
            return
        progress = await db.job_progress(conn, job_id=job_id)
        if progress.status.finished:
            for future in room.watchers:
                _resolve(future, progress)

    async def _hand_out(
        self, conn: psycopg.AsyncConnection, job_id: UUID, room: _Room
    ) -> Verdict | None:
        """Claim for the waiting workers in their order; say what stopped it, if anything did."""
        while room.workers:
            waiting = list(room.workers.values())[:BATCH]
            answers = await db.claim_datums(conn, job_id=job_id, who=[who for who, _ in waiting])
            for pod_name, answer in answers:
                _, future = room.workers.pop(pod_name, (None, None))
                if future:
                    _resolve(future, answer)
            verdict = answers.stopped_by
            if verdict is Verdict.BUSY:
                await asyncio.sleep(BUSY_S)
            elif verdict is Verdict.ENDED:
                for _, future in list(room.workers.values()):
                    _resolve(future, ENDED)
                return verdict
            elif verdict is Verdict.EMPTY:
                return verdict
        return None

    async def _connect(self, name: str) -> psycopg.AsyncConnection:
        return await psycopg.AsyncConnection.connect(
            self._url, autocommit=True, application_name=name, **CONNECTION_SETTINGS
        )


def _resolve(future: asyncio.Future[T], value: T) -> None:
    if not future.done():
        future.set_result(value)
