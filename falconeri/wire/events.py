"""What falconerid tells those who watch a job, as it happens.

The data of each server-sent event, and a line of `falconeri job events --json`. Each is how things
are now, not what has changed: whoever missed some is told all by the next.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from falconeri.states import JobStatus
from falconeri.wire.records import Progress


class JobState(Struct, frozen=True, tag_field="event", tag="state"):
    """What people have decided about a job, and its end. The last event is one of these."""

    job_id: UUID
    job_name: str
    status: JobStatus
    paused: bool
    parallelism: int | None
    """How many workers it should have; null: this falconerid doesn't tell."""
    error_message: str | None
    """Why the job as a whole was ended, when it wasn't its datums."""


class JobProgress(Progress, frozen=True, tag_field="event", tag="progress"):
    """The counts of a job's datums, and how fast they grow."""

    datums_per_s: float | None = None
    """Done and failed datums a second: in the last minutes, else since the first worker came; null:
    unknown."""
    expected_at: datetime | None = None
    """When the rest would be over, in UTC, without zone; null: unknown, paused or over."""


JobEvent = JobState | JobProgress
