"""What the actors of the stress run have tried, and what the database has told them of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from falconeri.states import AttemptOutcome, FailureClass

Ending = tuple[UUID, int, str, AttemptOutcome, FailureClass | None]
"""How an attempt ended: datum, its number, pod, outcome, whose fault."""


@dataclass(frozen=True)
class Tally:
    """Sets that only grow; a set's `add` needs no lock."""

    tried: set[Ending] = field(default_factory=set[Ending])
    acknowledged: set[Ending] = field(default_factory=set[Ending])
    refused: set[Ending] = field(default_factory=set[Ending])
    registered: set[tuple[UUID, str]] = field(default_factory=set[tuple[UUID, str]])
    """Output files whose registration was acknowledged: datum, URI."""
    unlinked: set[str] = field(default_factory=set[str])
    """Output files that a babysitter was told to delete."""
    canceled: set[UUID] = field(default_factory=set[UUID])
    vanished: set[UUID] = field(default_factory=set[UUID])
    deleted: set[UUID] = field(default_factory=set[UUID])
