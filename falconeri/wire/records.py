"""What falconerid answers about jobs, datums and files.

Names, nulls and timestamps (UTC, without zone) are those of falconeri 2.0.0-alpha.5, so that its
command line and workers read them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct, field

from falconeri.states import DatumStatus, JobStatus, OutputStatus


class Job(Struct, frozen=True):
    """One submitted spec. `pipeline_spec` is the stored form."""

    id: UUID
    created_at: datetime
    updated_at: datetime
    status: JobStatus
    pipeline_spec: dict[str, Any]
    job_name: str
    command: list[str]
    egress_uri: str
    error_message: str | None = None
    """Why the job as a whole was ended, when it wasn't its datums."""
    paused: bool = False
    """Nothing is handed out for now; the status is still `running`."""


class Datum(Struct, frozen=True):
    """One unit of work and its latest attempt."""

    id: UUID
    created_at: datetime
    updated_at: datetime
    status: DatumStatus
    job_id: UUID
    error_message: str | None
    node_name: str | None
    pod_name: str | None
    backtrace: str | None
    output: str | None
    attempted_run_count: int
    maximum_allowed_run_count: int


class InputFile(Struct, frozen=True):
    """One file of a datum: where it comes from and where the program finds it."""

    id: UUID
    created_at: datetime
    datum_id: UUID
    uri: str
    local_path: str
    job_id: UUID


class OutputFile(Struct, frozen=True):
    """One file written by a datum."""

    id: UUID
    created_at: datetime
    updated_at: datetime
    status: OutputStatus
    job_id: UUID
    datum_id: UUID
    uri: str
    size_bytes: int | None = None
    checksum: str | None = None


class DatumStatusCount(Struct, frozen=True):
    """How many datums of a job have a status, and how many of those will run again."""

    status: DatumStatus
    count: int
    rerunable_count: int


class Progress(Struct, frozen=True):
    """The counts of a job's datums; their sum is `total`."""

    job_id: UUID
    job_name: str
    status: JobStatus
    total: int
    ready: int
    running: int
    done: int
    error: int
    canceled: int
    failed_attempts: int
    """Attempts that failed so far, also those of datums that succeeded later."""
    recovered: int
    """How many of the done ones failed, and are done by their `err_cmd`."""


class Wait(Struct, frozen=True):
    """Why some workers of a running job don't work yet, as the cluster says."""

    reason: str
    """One word: `unschedulable`, `image`, `quota`, `configuration`, `volume` or `start`."""
    message: str
    """One line, without the names of pods."""
    pod_count: int
    since: datetime
    """When it was first seen."""


class MemoryRung(Struct, frozen=True):
    """One amount of memory of a job's ladder, what waits for it and what runs with it."""

    rung: int
    """0: where all datums begin; those that ran out of memory there are on the next."""
    memory: str
    """What each worker gets, as Kubernetes writes it."""
    ready: int
    running: int
    workers: int
    """Registered pods that are not known to have died."""


class JobDescription(Struct, frozen=True):
    """All about a job that fits a page. Lists are cut at 1,000 datums."""

    job: Job
    datum_status_counts: list[DatumStatusCount]
    running_datums: list[Datum]
    error_datums: list[Datum]
    waits: list[Wait] = field(default_factory=list[Wait])
    """Empty also from the original's falconerid, which doesn't know."""
    rungs: list[MemoryRung] = field(default_factory=list[MemoryRung])
    """The ladder of memory, the least first; empty if `resource_requests.memory` is one amount."""


class DatumDescription(Struct, frozen=True, omit_defaults=True):
    """A datum with its input files."""

    datum: Datum
    input_files: list[InputFile]
    log_tail: str | None = None
    """What its program had printed last at its worker's last heartbeat; absent: nothing so far, or
    it doesn't run."""


class Health(Struct, frozen=True):
    """How a falconerid is."""

    status: str
    """`ok`, or why it should get no requests."""


class ErrorBody(Struct, frozen=True):
    """The body of every error: the class's `code`, and `falconeri.errors` for its meaning."""

    code: str
    message: str
    detail: str = ""
    hint: str = ""


class JobAnswer(Struct, frozen=True):
    """`{"job": …}`."""

    job: Job


class JobsAnswer(Struct, frozen=True):
    """`{"jobs": […]}`."""

    jobs: list[Job]


class JobsPage(Struct, frozen=True):
    """Some jobs, newest first; `after` asks for the next page, null ends the list.

    It names a place, not a job: it is good for as long as anybody keeps it.
    """

    jobs: list[Job]
    after: UUID | None


class DatumAnswer(Struct, frozen=True):
    """`{"datum": …}`."""

    datum: Datum


class OutputFilesAnswer(Struct, frozen=True):
    """`{"output_files": […]}`."""

    output_files: list[OutputFile]


class WaitAnswer(Struct, frozen=True):
    """The answer of a wait for a job's end: `progress.status` says whether it came."""

    progress: Progress
