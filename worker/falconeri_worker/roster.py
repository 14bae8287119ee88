"""What the lanes of a worker are about: who fetches, whose command runs, who has nothing to do.

A lane works on one datum after the other. Of three lanes one fetches the inputs of the next datum,
one runs its command, and one stores the outputs of the last one; each does all of it in turn.
Called by `lane`, `datum` and `crew`; knows nothing of falconerid.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from enum import Enum, auto

from falconeri_worker.room import Room
from falconeri_worker.stopping import Bell, Stop, wait_for_any

LANES = 3
"""One for each step."""

LONG_S = 0.5
"""A lane that stores its outputs asks for the next datum when it reports: one call for both. One
that takes longer is not waited for."""


class Phase(Enum):
    """What a lane does."""

    IDLE = auto()
    """It holds no datum."""
    WAITING = auto()
    """The same; it waits at falconerid, for all lanes."""
    ASKING = auto()
    """It may be given one just now."""
    BEFORE = auto()
    """It fetches, or waits for its turn."""
    RUNNING = auto()
    """Its command has its turn."""
    AFTER = auto()
    """Its command has ended."""
    GONE = auto()


class Next(Enum):
    """What a lane does that has nothing."""

    ASK = auto()
    """It asks for a datum."""
    ASK_AHEAD = auto()
    """It asks for one to be fetched while another lane's command runs."""
    WAIT = auto()
    """It waits at falconerid, for all lanes."""
    LEAVE = auto()


class Roster:
    """The phases of all lanes, of which the first one begins. Safe for all of them.

    Args:
        lanes: How many, ≥ 1.
        room: Whether there is some for a datum ahead.
    """

    def __init__(self, lanes: int, room: Room) -> None:
        self._phases = [Phase.ASKING] + [Phase.IDLE] * (lanes - 1)
        self._since = [0.0] * lanes
        self._room = room
        self._changed = threading.Condition()
        self._closed = False
        self._turn = _Turn()
        self.all_gone = Bell()

    def set_phase(self, slot: int, phase: Phase) -> None:
        """Say what a lane does now."""
        with self._changed:
            self._set(slot, phase)

    def is_alone(self, slot: int) -> bool:
        """Whether no other lane has a datum, and so files."""
        with self._changed:
            return self._others(slot).isdisjoint((Phase.BEFORE, Phase.RUNNING, Phase.AFTER))

    def ask_with_report(self, slot: int) -> Next | None:
        """Say whether a lane that reports asks for its next datum with it; None: no."""
        with self._changed:
            wish = self._wish(slot)
            self._set(slot, Phase.ASKING)  # it is handed a datum, or rid of one
            return wish

    def await_change(self, slot: int, refused: Next | None) -> Next:
        """Wait for something to do, for a lane that has nothing.

        The lanes of a worker don't compete: only one is asking or fetching. When none has anything,
        the first one waits at falconerid for all.

        Args:
            slot: The lane.
            refused: What it has asked for in vain, until others go on; None: nothing yet.
        """
        with self._changed:
            self._set(slot, Phase.IDLE)
            while not self._closed:
                wish = self._wish(slot)
                if wish is Next.ASK and refused is Next.ASK and self._is_first_of_idle(slot):
                    self._set(slot, Phase.WAITING)
                    return Next.WAIT
                if wish not in (None, refused) and not self._report_is_near(slot):
                    self._set(slot, Phase.ASKING)
                    return wish
                self._changed.wait(LONG_S if Phase.AFTER in self._phases else None)
            return Next.LEAVE

    def close(self) -> None:
        """Send all lanes away that have nothing to do: the job is over, or the worker ends."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def await_idle(self, timeout_s: float) -> bool:
        """Wait until no lane holds a datum, for so long at most; return whether that is so."""
        with self._changed:
            return self._changed.wait_for(
                lambda: {Phase.IDLE, Phase.WAITING, Phase.GONE}.issuperset(self._phases), timeout_s
            )

    @contextmanager
    def turn(self, slot: int, *stops: Stop) -> Generator[None]:
        """Have the command's turn in this block: no other lane has it.

        Raises:
            BaseException: The reason of the wish to stop that came first.
        """
        self._turn.take(stops)
        self.set_phase(slot, Phase.RUNNING)
        try:
            yield
        finally:
            self._turn.give()
            self.set_phase(slot, Phase.AFTER)

    def _set(self, slot: int, phase: Phase) -> None:
        self._phases[slot] = phase
        self._since[slot] = time.monotonic()
        self._changed.notify_all()
        if all(each is Phase.GONE for each in self._phases):
            self.all_gone.ring()

    def _wish(self, slot: int) -> Next | None:
        """Say what a lane may ask for: nothing, while another one asks, waits or fetches."""
        others = self._others(slot)
        if not others.isdisjoint((Phase.ASKING, Phase.WAITING, Phase.BEFORE)):
            return None
        if Phase.RUNNING not in others:
            return Next.ASK
        return Next.ASK_AHEAD if self._room.is_plenty() else None

    def _report_is_near(self, slot: int) -> bool:
        """Say whether another lane is likely to ask with its report in a moment."""
        begun = [
            since
            for number, since in enumerate(self._since)
            if number != slot and self._phases[number] is Phase.AFTER
        ]
        return bool(begun) and time.monotonic() - max(begun) < LONG_S

    def _is_first_of_idle(self, slot: int) -> bool:
        return slot == 0 and self._others(slot) <= {Phase.IDLE, Phase.GONE}

    def _others(self, slot: int) -> set[Phase]:
        return {phase for number, phase in enumerate(self._phases) if number != slot}


class _Turn(Bell):
    """A token in a pipe: a lock that can be waited for together with wishes to stop."""

    def __init__(self) -> None:
        super().__init__()
        os.set_blocking(self._readable, False)
        self.give()

    def take(self, stops: tuple[Stop, ...]) -> None:
        while True:
            for stop in stops:
                stop.check()
            try:
                os.read(self._readable, 1)
            except BlockingIOError:
                wait_for_any(self, *stops)
            else:
                return

    def give(self) -> None:
        self.ring()
