"""Who waits for one job: a part of the hub, without a database and without HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple, TypeVar

from falconeri.errors import FalconeriError
from falconeri.states import Verdict
from falconeri.wire.records import Progress
from falconeri.wire.work import WorkAnswer, WorkerIdentity

T = TypeVar("T")

EMPTY = WorkAnswer(verdict=Verdict.EMPTY)
ENDED = WorkAnswer(verdict=Verdict.ENDED)

IDLE_PODS = 10_000
"""So many names are remembered: whoever comes by ever new ones must not fill the memory."""


class Place(NamedTuple):
    """A waiting worker."""

    who: WorkerIdentity
    future: asyncio.Future[WorkAnswer]


class _Turn(NamedTuple):
    """A claim on its way to the database and back."""

    pods: frozenset[str]
    over: asyncio.Event


@dataclass
class Room:
    """The waiting room of one job, or of the workers of one rung of its ladder of memory."""

    workers: dict[str, Place] = field(default_factory=dict[str, Place])
    """By pod, in the order of their coming."""
    watchers: set[asyncio.Future[Progress]] = field(default_factory=set[asyncio.Future[Progress]])
    """Those who wait for the job's end."""
    asleep: bool = False
    """Nothing is ready, and whatever becomes ready is notified: nobody need ask for the workers."""
    new: set[str] = field(default_factory=set[str])
    """Pods that came since the last look: they could hold something, if an answer was lost."""
    _idle: set[str] = field(default_factory=set[str])
    """Pods that went with nothing; they hold nothing when they come again."""
    _turn: _Turn | None = None
    _woken: bool = False

    def enter(self, who: WorkerIdentity) -> asyncio.Future[WorkAnswer]:
        """Give a worker a place; if the pod has one, that one's request is answered `empty`."""
        pod = who.pod_name
        if earlier := self.workers.pop(pod, None):
            resolve(earlier.future, EMPTY)
        future = asyncio.get_running_loop().create_future()
        self.workers[pod] = Place(who, future)
        if pod in self._idle:
            self._idle.remove(pod)
        else:
            self.new.add(pod)
        return future

    def leave(self, pod: str, future: asyncio.Future[WorkAnswer]) -> None:
        """Take a worker's place away, if it is still there."""
        place = self.workers.get(pod)
        if place is not None and place.future is future:
            del self.workers[pod]
            self.new.discard(pod)
            if not future.done():
                self._note_idle(pod)

    def _note_idle(self, pod: str) -> None:
        if len(self._idle) >= IDLE_PODS:
            self._idle.clear()  # one look too many at each that comes again
        self._idle.add(pod)

    async def last_minute(self, pod: str, future: asyncio.Future[WorkAnswer]) -> WorkAnswer:
        """What a worker is told whose time is over.

        A claim for it may be on its way just then: were it told `empty`, it would hold a datum and
        not know.
        """
        if self._turn is not None and pod in self._turn.pods:
            await self._turn.over.wait()
        return future.result() if future.done() else EMPTY

    def first(self, count: int) -> list[WorkerIdentity]:
        """Those who wait for longest."""
        return [place.who for place in islice(self.workers.values(), count)]

    def take_new(self) -> list[str]:
        """The pods that could hold something; they are not new any more."""
        pods = list(self.new)
        self.new.clear()
        return pods

    def keep_new(self, pods: Sequence[str]) -> None:
        """Look once more what those of these pods hold that still wait."""
        self.new.update(pod for pod in pods if pod in self.workers)

    def still_here(self, pods: Sequence[str]) -> list[WorkerIdentity]:
        """Those of these pods that wait."""
        return [self.workers[pod].who for pod in pods if pod in self.workers]

    @contextmanager
    def turn(self, asked: Sequence[WorkerIdentity]) -> Generator[None]:
        """A claim for these is made in this block."""
        self._turn = _Turn(frozenset(who.pod_name for who in asked), asyncio.Event())
        try:
            yield
        finally:
            self._turn.over.set()
            self._turn = None

    def give(self, pod: str, answer: WorkAnswer) -> None:
        """Answer a worker, if it is still here."""
        self.new.discard(pod)
        if place := self.workers.pop(pod, None):
            resolve(place.future, answer)

    def watch(self) -> None:
        """From now on notifications count: those before were of what is still to be looked at."""
        self._woken = False

    def fall_asleep(self) -> None:
        """All was looked at since `watch`; sleep, if there was no notification since."""
        self.asleep = not self._woken

    def wake(self) -> None:
        """Something has become ready, or may have."""
        self._woken = True
        self.asleep = False

    def send_away(self) -> None:
        """Let all go with nothing: they ask again, elsewhere."""
        for place in self.workers.values():
            resolve(place.future, EMPTY)
        for watcher in self.watchers:
            watcher.cancel()

    def end(self) -> None:
        """Tell all workers that the job has ended."""
        for pod in list(self.workers):
            self.give(pod, ENDED)

    def turn_away(self, error: FalconeriError) -> None:
        """Answer everybody with an error."""
        for place in self.workers.values():
            if not place.future.done():
                place.future.set_exception(error)
        for watcher in self.watchers:
            if not watcher.done():
                watcher.set_exception(error)


def resolve(future: asyncio.Future[T], value: T) -> None:
    """Answer, unless that is done already."""
    if not future.done():
        future.set_result(value)
