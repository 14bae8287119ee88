"""How long a worker lets the waiting port hold its request. Called by `waiting` and `ending`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from falconeri.errors import FalconeriError
from falconeri.wire.work import MAX_HOLD_S

T = TypeVar("T")

FIRST_HOLD_S = 25.0
"""Shorter than the patience of any proxy."""

EARLY_PAUSE_S = 1.0
"""How long who was answered early, for nothing, waits at most before asking again: falconerid holds
no answers just now, as before its end, and all who wait ask another one at the same moment."""


class Patience:
    """Lets each request be held for twice as long as the last one that was held to its end.

    Asking again is all that those who wait cost falconerid: 5,000 that ask each 55 seconds take 8 %
    to 25 % of its other requests per second, and each 300 seconds 3 % to 7 % (`./run bench http`).
    But what is between us may cut off whoever is silent, most proxies after 60 seconds: who is cut
    off asks for no more than what was borne before.

    Args:
        first_s: How long at first.
        longest_s: How long at most.
    """

    def __init__(self, *, first_s: float = FIRST_HOLD_S, longest_s: float = MAX_HOLD_S) -> None:
        self._hold_s = self._borne_s = first_s
        self._longest_s = longest_s

    def spend(self, ask: Callable[[float], T]) -> tuple[T, bool]:
        """Make a request; return its answer, and whether that came long before its time.

        Args:
            ask: Is given the seconds after which it is answered at the latest.

        Raises:
            Exception: What `ask` raises.
        """
        begun = time.monotonic()
        try:
            answer = ask(self._hold_s)
        except FalconeriError:
            if time.monotonic() - begun > self._borne_s:  # not refused, but cut off
                self._hold_s = self._longest_s = self._borne_s
            raise
        if early := time.monotonic() - begun < self._hold_s / 2:
            return answer, early
        self._borne_s = self._hold_s
        self._hold_s = min(2 * self._hold_s, self._longest_s)
        return answer, early
