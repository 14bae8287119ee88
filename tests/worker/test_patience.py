"""How long a request may be held, as a worker finds out."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest

from falconeri.errors import Unavailable
from falconeri_worker.patience import Patience

REFUSED = "refused"
EARLY = "early"
HELD = "held"


class Between:
    """What is between a worker and falconerid, with a clock of its own.

    Args:
        patience_s: Whoever is silent for so long is cut off; never if None.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, patience_s: float | None = None) -> None:
        self._now = 0.0
        self._patience_s = patience_s
        self.wished: list[float] = []
        monkeypatch.setattr(time, "monotonic", lambda: self._now)

    def ask(self, hold_s: float, what: str) -> str:
        self.wished.append(hold_s)
        if what == REFUSED:
            raise Unavailable
        cut = self._patience_s is not None and hold_s > self._patience_s
        self._now += 1.0 if what == EARLY else (self._patience_s or 0.0) if cut else hold_s
        if cut and what == HELD:
            raise Unavailable
        return what


def wishes(between: Between, *script: str) -> list[float]:
    """How long each request of this script is wished to be held."""
    patience = Patience(first_s=25.0, longest_s=300.0)
    for what in script:
        with suppress(Unavailable):
            _, early = patience.spend(lambda hold_s, what=what: between.ask(hold_s, what))  # type: ignore[misc]
            assert early is (what == EARLY)
    return between.wished


def test_who_is_held_to_the_end_wishes_to_be_held_twice_as_long_up_to_a_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert wishes(Between(monkeypatch), *[HELD] * 6) == [25.0, 50.0, 100.0, 200.0, 300.0, 300.0]


def test_who_is_answered_early_wishes_the_same_again(monkeypatch: pytest.MonkeyPatch) -> None:
    assert wishes(Between(monkeypatch), EARLY, HELD, EARLY, HELD) == [25.0, 25.0, 50.0, 50.0]


def test_who_is_cut_off_wishes_what_was_borne_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    between = Between(monkeypatch, patience_s=60.0)

    assert wishes(between, *[HELD] * 5) == [25.0, 50.0, 100.0, 50.0, 50.0]


def test_who_is_refused_learns_nothing_of_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    assert wishes(Between(monkeypatch), HELD, REFUSED, HELD, HELD) == [25.0, 50.0, 50.0, 100.0]
