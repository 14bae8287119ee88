"""Where clients wait: thousands of them, on one event loop, with three database connections in all.

One connection LISTENs. Another claims *on behalf of the waiting workers*, in batches: k ready
datums wake k workers, the others sleep on. Nothing is missed: before the hub lets workers sleep it
asks the job's shards to notify (`watch_job`) and looks once more; after a lost LISTEN connection it
looks at everything again; and every SAFETY_S it does so anyway.

A claim made for a worker that has gone meanwhile is no loss: the pod gets the same datum when it
asks again, and if it is dead its claim is given back like any other.

A third one looks how far jobs are that are watched, while any is (`feed`).

Called by `waiting`; knows nothing of HTTP.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from psycopg.errors import LockNotAvailable

from falconeri.db import waiting as db
from falconeri.db.pool import CONNECTION_SETTINGS, STATEMENT_LIMIT_S
from falconeri.errors import FalconeriError
from falconeri.log import get_logger
from falconeri.server.feed import Feed
from falconeri.server.room import EMPTY, Room, resolve
from falconeri.states import Verdict
from falconeri.wire.memory import MAX_RUNGS
from falconeri.wire.records import Progress
from falconeri.wire.work import WorkAnswer, WorkerIdentity

log = get_logger(__name__)

SAFETY_S = 30.0
"""The longest that a missed notification can go unnoticed."""

BATCH = 500
"""Workers served by one claim: enough for speed, few enough for short transactions."""

LOCK_LIMIT_S = 0.5
"""How long a job whose rows somebody else holds locked may keep all others waiting; then these have
their turn."""

RECONNECT_S = 0.5
BUSY_S = 0.005

_LIMITS = (
    f"-c statement_timeout={STATEMENT_LIMIT_S:.0f}s -c lock_timeout={LOCK_LIMIT_S * 1000:.0f}ms"
)
_SETTINGS: dict[str, Any] = CONNECTION_SETTINGS | {
    "options": f"{CONNECTION_SETTINGS['options']} {_LIMITS}"
}

FIRST_BATCH = 1
"""Of the workers that wait, so many are asked for first, since mostly one gets something; then
ever more, as long as there is something for all of them."""


class Key(NamedTuple):
    """Which waiters have a room together: a job's, of one rung of its ladder of memory.

    Where one of them gets nothing, the others of the same room don't either. Those who watch the
    job are in the first one.
    """

    job_id: UUID
    rung: int = 0


class Hub:
    """All waiting of one falconerid. Its methods are for its own event loop only."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self.feed = Feed(self._connect)
        self._rooms: defaultdict[Key, Room] = defaultdict(Room)
        self._dirty: dict[Key, None] = {}
        self._wake = asyncio.Event()
        self._closing = False

    def count(self) -> int:
        """How many wait; from any thread, and then not to the last one."""
        waiting = sum(len(room.workers) + len(room.watchers) for room in list(self._rooms.values()))
        return waiting + self.feed.count()

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._for_ever(self._listen))
            group.create_task(self._for_ever(self._dispatch))
            group.create_task(self._for_ever(self.feed.run))

    def close(self) -> None:
        """Send all waiters away: they ask again, another falconerid."""
        self._closing = True
        self.feed.close()
        for room in self._rooms.values():
            room.send_away()

    @asynccontextmanager
    async def worker(
        self, job_id: UUID, who: WorkerIdentity
    ) -> AsyncGenerator[asyncio.Future[WorkAnswer]]:
        """A place in the queue for work of a job, left with the context.

        A pod has one place: if it asks anew, its earlier request is answered `empty`.
        """
        key = Key(job_id, who.rung)
        room = self._rooms[key]
        future = room.enter(who)
        if self._closing:
            resolve(future, EMPTY)
        if room.new or not room.asleep:
            self._look_at(key)
        try:
            yield future
        finally:
            room.leave(who.pod_name, future)
            self._leave(key)

    async def last_minute(
        self, job_id: UUID, who: WorkerIdentity, future: asyncio.Future[WorkAnswer]
    ) -> WorkAnswer:
        """What a worker is told whose time is over; see `Room.last_minute`."""
        return await self._rooms[Key(job_id, who.rung)].last_minute(who.pod_name, future)

    @asynccontextmanager
    async def watcher(self, job_id: UUID) -> AsyncGenerator[asyncio.Future[Progress]]:
        """A place among those who wait for a job's end, left with the context."""
        key = Key(job_id)
        future = asyncio.get_running_loop().create_future()
        self._rooms[key].watchers.add(future)
        if self._closing:
            future.cancel()
        self._look_at(key)
        try:
            yield future
        finally:
            self._rooms[key].watchers.discard(future)
            self._leave(key)

    def _leave(self, key: Key) -> None:
        room = self._rooms[key]
        if not room.workers and not room.watchers:
            del self._rooms[key]

    def _look_at(self, *keys: Key) -> None:
        self._dirty.update(dict.fromkeys(keys))
        self._wake.set()

    def _wake_up(self, *keys: Key) -> None:
        """Something has become ready, or may have."""
        for key in keys:
            if room := self._rooms.get(key):
                room.wake()
        self._look_at(*keys)

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
                self._wake_up(*self._rooms)
                async for notification in conn.notifies(timeout=SAFETY_S):
                    job_id = UUID(notification.payload)
                    keys = (Key(job_id, rung) for rung in range(MAX_RUNGS))
                    self._wake_up(*(key for key in keys if key in self._rooms))
                    self.feed.look_at(job_id)
                await conn.execute("select 1")

    async def _dispatch(self) -> None:
        """One claim in flight at a time: the more wait, the larger the batches."""
        async with await self._connect("falconerid dispatch") as conn:
            while True:
                while self._dirty:
                    await self._serve(conn, next(iter(self._dirty)))
                self._wake.clear()
                await self._wake.wait()

    async def _serve(self, conn: psycopg.AsyncConnection, key: Key) -> None:
        """Give those in a room what there is."""
        # Before: what changes meanwhile is looked at again.
        del self._dirty[key]
        room = self._rooms.get(key)
        if room is None:
            return
        try:
            await self._serve_workers(conn, key, room)
            await self._serve_watchers(conn, key.job_id, room)
        except FalconeriError as ex:
            room.turn_away(ex)
        except LockNotAvailable:
            self._look_at(key)  # after the others
        except BaseException:  # the connection is lost: the next one begins with this job
            self._look_at(key)
            raise

    async def _serve_workers(self, conn: psycopg.AsyncConnection, key: Key, room: Room) -> None:
        if not room.asleep:
            if await self._hand_out(conn, key, room) is not Verdict.EMPTY:
                return
            room.watch()
            await db.watch_job(conn, job_id=key.job_id)
            # What became ready before we watched is found now; what comes later is notified.
            if await self._hand_out(conn, key, room) is not Verdict.EMPTY:
                return
            room.fall_asleep()
        await self._give_back(conn, key, room)

    async def _serve_watchers(
        self, conn: psycopg.AsyncConnection, job_id: UUID, room: Room
    ) -> None:
        if not room.watchers:
            return
        progress = await db.job_progress(conn, job_id=job_id)
        if progress.status.finished:
            for future in room.watchers:
                resolve(future, progress)

    async def _hand_out(
        self, conn: psycopg.AsyncConnection, key: Key, room: Room
    ) -> Verdict | None:
        """Claim for the waiting workers in their order; say what stopped it, if anything did."""
        count = FIRST_BATCH
        while asked := room.first(count):
            verdict = await self._claim(conn, key, room, asked)
            if verdict is not None:
                return verdict
            count = min(count * 8, BATCH)
        return None

    async def _give_back(self, conn: psycopg.AsyncConnection, key: Key, room: Room) -> None:
        """Give to newcomers what they hold: an answer that said so may have been lost."""
        pods = room.take_new()
        if not pods:
            return
        # Not by claims for all of them: a claim stops at the first who gets nothing.
        holding = await db.list_holding(conn, job_id=key.job_id, pod_names=pods)
        if asked := room.still_here(holding):
            verdict = await self._claim(conn, key, room, asked)
            if verdict is Verdict.BUSY:
                room.keep_new(pods)

    async def _claim(
        self,
        conn: psycopg.AsyncConnection,
        key: Key,
        room: Room,
        asked: Sequence[WorkerIdentity],
    ) -> Verdict | None:
        """Claim for these workers, and answer those that got something."""
        with room.turn(asked):
            answers = await db.claim_datums(conn, job_id=key.job_id, who=asked)
            for pod_name, answer in answers:
                room.give(pod_name, answer)
        verdict = answers.stopped_by
        if verdict is Verdict.BUSY:
            await asyncio.sleep(BUSY_S)
            self._look_at(key)  # again, after the others
        elif verdict is Verdict.ENDED:
            room.end()
        return verdict

    async def _connect(self, name: str) -> psycopg.AsyncConnection:
        return await psycopg.AsyncConnection.connect(
            self._url, autocommit=True, application_name=name, **_SETTINGS
        )
