"""What everybody in the stress run shares: the jobs in play, the dead pods, the pace of the run."""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Callable, Iterable
from uuid import UUID

IN_PLAY = 24
"""Jobs that are worked on at once: in each of them a few workers meet."""
IN_VAIN = 100_000
"""After so many calls without the end of an attempt or of a job, the run hangs."""


class Stalled(Exception):
    """Everybody asks and asks, and nothing ends any more."""


class Board:
    """The jobs that have not ended, for workers to choose from: the first few of them are in play.

    Nobody sleeps: who has nothing to do waits until the others have made so many calls.

    Args:
        operators: How many of them may make jobs; each says when it is done.
    """

    def __init__(self, operators: int) -> None:
        self._operators = operators
        self._changed = threading.Condition()
        self._jobs: list[UUID] = []
        self._ended: list[UUID] = []
        self._known: set[UUID] = set()
        self._dead: deque[tuple[UUID, str]] = deque()
        self._calls = 0
        self._last_end = 0
        self.draining = False
        """The last jobs are in play; nobody makes more, or keeps one from its end."""
        self.over = False

    # --- Jobs ---------------------------------------------------------------------------

    def add(self, job_ids: Iterable[UUID]) -> None:
        """Add jobs that are not known yet."""
        with self._changed:
            new = [job_id for job_id in job_ids if job_id not in self._known]
            self._known.update(new)
            self._jobs += new
            self._changed.notify_all()

    def end(self, job_id: UUID) -> None:
        """Take a job out of play: its end was seen."""
        with self._changed:
            if job_id in self._jobs:
                self._jobs.remove(job_id)
                self._ended.append(job_id)
                self._last_end = self._calls
                self.draining = self.draining or len(self._jobs) < IN_PLAY
                self._changed.notify_all()

    def choose(self, rng: random.Random) -> UUID | None:
        """A job to work for; None: the run is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self.over)
            return None if self.over else rng.choice(self._jobs[:IN_PLAY])

    def choose_running(self, rng: random.Random) -> UUID | None:
        """A job in play, if any is."""
        with self._changed:
            return rng.choice(self._jobs[:IN_PLAY]) if self._jobs else None

    def choose_ended(self, rng: random.Random) -> UUID | None:
        """A job that has ended, if any has."""
        with self._changed:
            return rng.choice(self._ended) if self._ended else None

    # --- Dead pods ----------------------------------------------------------------------

    def bury(self, job_id: UUID, pod_name: str) -> None:
        """Tell the babysitters that a pod is dead."""
        with self._changed:
            self._dead.append((job_id, pod_name))

    def exhume(self) -> tuple[UUID, str] | None:
        """A dead pod that no babysitter has looked after yet."""
        with self._changed:
            return self._dead.popleft() if self._dead else None

    # --- Pace ---------------------------------------------------------------------------

    def tick(self, *, ended: bool = False) -> None:
        """Count a worker's call.

        Raises:
            Stalled: Too many calls since the last end of anything.
        """
        with self._changed:
            self._calls += 1
            if ended:
                self._last_end = self._calls
            if self._calls - self._last_end > IN_VAIN:
                raise Stalled(f"still running: {self._jobs}")
            if self._calls % 10 == 0:
                self._changed.notify_all()

    def goes_on_after(self, calls: int) -> bool:
        """Wait for so many more calls of workers; then say whether the run goes on."""
        with self._changed:
            until = self._calls + calls
            self._changed.wait_for(lambda: self._calls >= until or not self._jobs or self.over)
            return not self.over

    def retire(self) -> None:
        """An operator has left: he makes no more jobs."""
        with self._changed:
            self._operators -= 1

    @property
    def quiet(self) -> bool:
        """Whether no job is known that has not ended, and nobody makes one."""
        with self._changed:
            return self.draining and not self._operators and not self._jobs

    def call_off(self) -> None:
        """End the run for all."""
        with self._changed:
            self.over = True
            self._changed.notify_all()

    def play(self, actor: Callable[[], None]) -> None:
        """Let an actor act; its failure ends the run."""
        try:
            actor()
        except BaseException:
            self.call_off()
            raise
