"""The words for states, as PostgreSQL, the REST API and every program of ours write them.

Called by everybody; knows nothing. The rules that move a job, a datum or an output file from one
state to the next are in `sql/functions`, never here.

Source: the enum types of sql/migrations/0001_schema.sql (a test compares them).
"""

from __future__ import annotations

from enum import StrEnum


class JobStatus(StrEnum):
    """Where a job stands. `ready` is never a job's: it runs from the moment it is created."""

    RUNNING = "running"
    DONE = "done"
    ERROR = "error"
    CANCELED = "canceled"

    @property
    def finished(self) -> bool:
        """Whether the job has ended; an ended job never runs again."""
        return self is not JobStatus.RUNNING


class DatumStatus(StrEnum):
    """Where a datum stands, derived by SQL from its shard, its claim and its attempts."""

    READY = "ready"
    RUNNING = "running"
    DONE = "done"
    ERROR = "error"
    CANCELED = "canceled"


class OutputStatus(StrEnum):
    """Where an output file stands: registered, uploaded, or given up."""

    RUNNING = "running"
    DONE = "done"
    ERROR = "error"


class AttemptOutcome(StrEnum):
    """How one try at a datum ended."""

    DONE = "done"
    RECOVERED = "recovered"
    """The program failed for the last time, but its `err_cmd` did not: the datum is done."""
    ERROR = "error"
    CANCELED = "canceled"


class FailureClass(StrEnum):
    """Whose fault a failed attempt was; sql/functions/private/_spends_a_try.sql says its price."""

    COMMAND = "command"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"
    LOST_WORKER = "lost_worker"
    EVICTED = "evicted"
    STORAGE = "storage"
    INTERNAL = "internal"


class Verdict(StrEnum):
    """What a request for work got."""

    CLAIMED = "claimed"
    """A datum: work on it."""
    BUSY = "busy"
    """There is work, but other claims hold its rows this instant: ask again at once."""
    EMPTY = "empty"
    """Nothing is ready now, but the job goes on: wait."""
    ENDED = "ended"
    """The job is over: leave."""
