"""Who watches which job, and the looks at the database that all of them share.

Progress notifies nobody (a NOTIFY in each commit would cost two thirds of the throughput). So there
is one look a second at all jobs that are watched, with one query for hundreds of them, however many
watch; a notification makes one come sooner. Watchers are told only what has changed. Who is slow
misses what lay between and is told how things are: nothing is ever queued for anybody.

Part of the hub, and for its event loop only. Knows nothing of HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from uuid import UUID

import psycopg

from falconeri.db import waiting as db
from falconeri.errors import JobNotFound, Unavailable
from falconeri.server.bulletin import Bulletin

LOOK_EVERY_S = 1.0
"""At most so often is a job's progress told."""

REST = 4
"""After a look we rest for as many times its duration: many jobs are looked at more seldom."""

LEAST_PAUSE_S = 0.1
"""Between two looks, whatever happens in between."""

AT_ONCE = 100
"""Watchers told before the others on the event loop get a turn: workers who wait are in a hurry."""

BATCH = 200
"""Jobs in one query; each costs it about a millisecond."""

FIRST_S = 5.0
"""How long a new watcher waits for the first look, as others do for a connection of the pool."""


class Watch:
    """One watcher's place; to be left."""

    def __init__(self, bulletin: Bulletin | None, leave: Callable[[Watch], None]) -> None:
        self._leave = leave
        self._called = asyncio.Event()
        self.bulletin = bulletin
        """The latest one; None: there was no look at the job yet."""
        self.over = False
        """There will be no other: the job was deleted, the client has gone, or we stop."""

    def call(self, bulletin: Bulletin | None = None, *, over: bool = False) -> None:
        """Wake the watcher."""
        self.bulletin = bulletin or self.bulletin
        self.over = self.over or over
        self._called.set()

    async def wait(self, limit_s: float) -> bool:
        """Return when called since the last time; False when the time is over."""
        try:
            async with asyncio.timeout(limit_s):
                await self._called.wait()
        except TimeoutError:
            return False
        self._called.clear()
        return True

    def leave(self) -> None:
        """Watch no more; a repeat is fine."""
        self._leave(self)


@dataclass
class _Channel:
    """A job that is watched."""

    watches: set[Watch] = field(default_factory=set[Watch])
    bulletin: Bulletin | None = None
    told_at: float = 0.0

    async def tell(self, found: Bulletin, now: float) -> None:
        """Tell all watchers, unless it is too soon for mere progress."""
        if (known := self.bulletin) is not None:
            soon = now - self.told_at < LOOK_EVERY_S - LEAST_PAUSE_S
            if found.id == known.id or (soon and found.state == known.state):
                return
        self.bulletin, self.told_at = found, now
        for told, watch in enumerate(list(self.watches), 1):
            watch.call(found)
            if told % AT_ONCE == 0:
                await asyncio.sleep(0)


class Feed:
    """All watchers of one falconerid.

    Args:
        connect: Opens a connection of this name in autocommit mode.
    """

    def __init__(self, connect: Callable[[str], Awaitable[psycopg.AsyncConnection]]) -> None:
        self._connect = connect
        self._channels: dict[UUID, _Channel] = {}
        self._dirty: set[UUID] = set()
        self._wake = asyncio.Event()
        self._closing = False

    def count(self) -> int:
        """How many watch; from any thread, and then not to the last one."""
        return sum(len(channel.watches) for channel in list(self._channels.values()))

    async def watch(self, job_id: UUID) -> Watch:
        """Take a place, with the job's first bulletin in it.

        Raises:
            JobNotFound: There is no such job.
            Unavailable: We are stopping, or the database is away.
        """
        watch = self._enter(job_id)
        try:
            if watch.bulletin is None and not self._closing:
                self.look_at(job_id)
                await watch.wait(FIRST_S)
        except BaseException:
            watch.leave()
            raise
        if watch.bulletin is not None and not self._closing:
            return watch
        watch.leave()
        if self._closing:
            raise Unavailable("this falconerid is stopping", hint="try again")
        if watch.over:
            raise JobNotFound(detail=f"job_id {job_id}")
        raise Unavailable("the database can't be reached", hint="try again")

    def look_at(self, job_id: UUID) -> None:
        """Look at a job soon, if anybody watches it."""
        if job_id in self._channels:
            self._dirty.add(job_id)
            self._wake.set()

    def close(self) -> None:
        """Send all watchers away: they come again, to another falconerid."""
        self._closing = True
        for channel in self._channels.values():
            _dismiss(channel)

    async def run(self) -> None:
        """Look for as long as anybody watches, then wait for the next; for ever.

        Raises:
            psycopg.Error: The connection is lost: call it again, nothing is forgotten.
        """
        while True:
            while not self._channels:
                self._wake.clear()
                await self._wake.wait()
            async with await self._connect("falconerid events") as conn:
                await self._look_on(conn)

    async def _look_on(self, conn: psycopg.AsyncConnection) -> None:
        """Look until nobody watches any more. At first at all: a lost connection saw nothing."""
        now = asyncio.get_running_loop().time
        all_at = now()
        while self._channels:
            self._wake.clear()
            began = now()
            if began >= all_at:
                await self._look(conn, list(self._channels))
                all_at = now() + max(LOOK_EVERY_S, REST * (now() - began))
            else:
                await self._look(conn, list(self._dirty))
            await asyncio.sleep(LEAST_PAUSE_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(all_at):
                    await self._wake.wait()

    async def _look(self, conn: psycopg.AsyncConnection, job_ids: list[UUID]) -> None:
        self._dirty.difference_update(job_ids)
        for start in range(0, len(job_ids), BATCH):
            batch = job_ids[start : start + BATCH]
            found = await db.list_progress(conn, job_ids=batch)
            await self._tell(found)
            for missing in set(batch).difference(each.state.job_id for each in found):
                if channel := self._channels.get(missing):
                    _dismiss(channel)

    async def _tell(self, found: Iterable[db.JobNews]) -> None:
        now = asyncio.get_running_loop().time()
        for news in found:
            if channel := self._channels.get(news.state.job_id):
                await channel.tell(Bulletin.of(news), now)

    def _enter(self, job_id: UUID) -> Watch:
        channel = self._channels.setdefault(job_id, _Channel())
        watch = Watch(channel.bulletin, lambda watch: self._leave(job_id, watch))
        channel.watches.add(watch)
        return watch

    def _leave(self, job_id: UUID, watch: Watch) -> None:
        if channel := self._channels.get(job_id):
            channel.watches.discard(watch)
            if not channel.watches:
                del self._channels[job_id]
                self._wake.set()  # perhaps it was the last one


def _dismiss(channel: _Channel) -> None:
    for watch in channel.watches:
        watch.call(over=True)
