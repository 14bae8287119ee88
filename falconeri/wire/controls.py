"""What operators send beside a spec, and pages of what falconerid knows of a job."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from falconeri.states import AttemptOutcome, FailureClass
from falconeri.wire.records import Datum

_Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]


class WorkerState(StrEnum):
    """What a worker does: `ended` is also that of an ended job, whatever it died of or not."""

    WORKING = "working"
    IDLE = "idle"
    ENDED = "ended"


class RetryOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /jobs/{id}/retry`, which may be left out."""

    matching: Annotated[str, Meta(min_length=1)] | None = None
    """Only the datums whose latest failure has this in its message; null: all unfinished ones."""
    parallelism: _Count | None = None
    """How many workers; null: as before."""
    datum_tries: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None
    """How often each datum may fail by its program's fault; null: as before."""


class Parallelism(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `PUT /jobs/{id}/parallelism`."""

    parallelism: _Count
    """How many workers the job should have."""


class Attempt(Struct, frozen=True):
    """One try at a datum, after it ended. Times are UTC, without zone."""

    datum_id: UUID
    attempt: int
    outcome: AttemptOutcome
    final: bool
    """This attempt decided the datum."""
    failure_class: FailureClass | None
    error_message: str | None
    exit_code: int | None
    signal: int | None
    pod_name: str
    node_name: str
    started_at: datetime
    finished_at: datetime
    bytes_in: int | None
    bytes_out: int | None
    cpu_s: float | None
    peak_memory_bytes: int | None
    output: str
    backtrace: str | None


class AttemptsAnswer(Struct, frozen=True):
    """`{"attempts": […]}`."""

    attempts: list[Attempt]


class DatumsPage(Struct, frozen=True):
    """Some datums of a job, in their order; `after` asks for the next page, null ends the list."""

    datums: list[Datum]
    after: UUID | None


class Hold(Struct, frozen=True):
    """An attempt in a worker's hands. `claimed_at` is UTC, without zone."""

    datum_id: UUID
    attempt: int
    slot: int
    """Which of the worker's places it takes: 0 for workers that hold one datum at a time."""
    claimed_at: datetime
    log_tail: str | None
    """What its program had printed last at the last heartbeat; null: nothing so far."""


class Worker(Struct, frozen=True):
    """A pod that works for a job, or did. Times are UTC, without zone."""

    pod_name: str
    node_name: str
    state: WorkerState
    registered_at: datetime
    last_heartbeat_at: datetime | None
    """Null: none so far; the original's workers send none."""
    holds: list[Hold]
    """The longest held first."""
    ended_at: datetime | None
    end_class: FailureClass | None
    """Why the pod died; null: it lives, or left as it should."""
    end_message: str | None


class WorkersPage(Struct, frozen=True):
    """Some workers of a job, by name; `after` asks for the next page, null ends the list."""

    workers: list[Worker]
    after: str | None
