"""What workers and falconerid say to each other.

The first half is ours; the second (`Reservation` and the updates by PATCH) is the original's, which
its workers use. Every call of an attempt carries the pod's name and the attempt's number, so that a
call of an attempt that is over is refused (`claim_lost`).
"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from falconeri.states import AttemptOutcome, FailureClass, JobStatus, OutputStatus, Verdict
from falconeri.wire.memory import MAX_RUNGS
from falconeri.wire.spec import PipelineSpec

_Name = Annotated[str, Meta(min_length=1, max_length=253)]
_Slot = Annotated[int, Meta(ge=0, le=15)]
_Rung = Annotated[int, Meta(ge=0, lt=MAX_RUNGS)]
_Bytes = Annotated[int, Meta(ge=0, le=2**63 - 1)]

MAX_HOLD_S = 300.0
"""How long the waiting port may be asked to hold an answer back. Nothing but what is between needs
one sooner; but what is held for a peer that has gone unnoticed should end some day."""


class NewJob(Struct, frozen=True):
    """The body of `POST /jobs`."""

    job: PipelineSpec


class WorkerIdentity(Struct, frozen=True, omit_defaults=True):
    """Who asks: the pod and its node. Names are unique among the pods of a job, for ever."""

    pod_name: _Name
    node_name: _Name
    rung: _Rung = 0
    """How much memory the worker has, for jobs with a ladder: it gets datums of this rung only.
    What it says first, when it registers, is what counts."""


class ClaimRequest(Struct, frozen=True, omit_defaults=True):
    """The body of `POST /jobs/{id}/claim`.

    A worker may hold several datums, each in a slot of its own. One that has another datum to work
    on first asks `ahead`: the last datums of a job are for workers that would have none.
    """

    pod_name: _Name
    node_name: _Name
    slot: _Slot = 0
    ahead: bool = False
    watch: bool = False
    """If there is nothing, have the database notify when there is: for who listens to it."""


class ProgramOptions(Struct, frozen=True, omit_defaults=True):
    """How a program is to be run: what its spec says of it, as in `wire.spec`, and no more."""

    stdin: list[str] = []
    working_dir: str | None = None
    accept_return_code: list[int] = []
    err_cmd: list[str] = []
    err_stdin: list[str] = []
    datum_timeout_s: int | None = None
    resident: bool = False


class WorkOrder(Struct, frozen=True):
    """What a worker needs to know of its job, told once when it registers."""

    job_id: UUID
    job_name: str
    status: JobStatus
    command: list[str]
    egress_uri: str
    lease_s: int
    """Seconds that a claim lasts without a heartbeat."""
    pipelining: bool = True
    """Whether the next datum's inputs may be fetched while the command runs."""
    program: ProgramOptions = ProgramOptions()


class InputRef(Struct, frozen=True):
    """A file (or, ending in `/`, a directory) to fetch, and where the program expects it."""

    uri: str
    local_path: str


class Claim(Struct, frozen=True):
    """A datum handed to a worker, and the number of the attempt that this begins."""

    datum_id: UUID
    attempt: int
    inputs: list[InputRef]


class WorkAnswer(Struct, frozen=True):
    """The answer to a request for work; `claim` is set if and only if `verdict` is `claimed`."""

    verdict: Verdict
    claim: Claim | None = None


class Report(Struct, frozen=True):
    """How an attempt ended, as its worker saw it.

    A recovered one has the class and the message of the failure that was made up for.
    `output` is the captured stdout and stderr, bounded. Texts are free of NUL.
    """

    outcome: AttemptOutcome
    failure_class: FailureClass | None = None
    output: str = ""
    error_message: str | None = None
    backtrace: str | None = None
    exit_code: int | None = None
    signal: int | None = None
    bytes_in: _Bytes | None = None
    bytes_out: _Bytes | None = None
    cpu_s: float | None = None
    peak_memory_bytes: _Bytes | None = None


class Completion(Struct, frozen=True):
    """The body of `POST /datums/{id}/complete`: the end of one attempt, and a wish for the next."""

    pod_name: _Name
    attempt: int
    report: Report
    claim_next: bool = True
    ahead: bool = False
    """The next one would be fetched ahead; see `ClaimRequest`."""


class CompletionAnswer(Struct, frozen=True):
    """The next piece of work; `verdict` is `empty` when none was asked for."""

    next: WorkAnswer


class HeldAttempt(Struct, frozen=True, omit_defaults=True):
    """The body of `POST /datums/{id}/tries_left`: an attempt in the hands of a pod."""

    pod_name: _Name
    attempt: int
    failure_class: FailureClass | None = None
    """Of its failure: one for lack of memory may be no end where another one would be."""


class TriesLeft(Struct, frozen=True):
    """How often the datum of an attempt may fail by its program's fault, this attempt included."""

    tries_left: int


class Held(Struct, frozen=True, omit_defaults=True):
    """An attempt that a worker believes to hold."""

    datum_id: UUID
    attempt: int
    log_tail: str | None = None
    """The end of what its program has printed so far: the last 4 KiB count. Null: nothing; in all
    attempts of a heartbeat: nothing new."""


class Heartbeat(Struct, frozen=True):
    """The body of `POST /jobs/{id}/heartbeat`: extends the leases of all that a worker holds."""

    pod_name: _Name
    held: list[Held]


class HeartbeatAnswer(Struct, frozen=True):
    """Which of the held attempts are no longer the worker's: it stops those at once."""

    job_status: JobStatus
    lost: list[UUID]


class WaitForWork(Struct, frozen=True, omit_defaults=True):
    """The body of `POST /jobs/{id}/wait_for_work` on the waiting port."""

    pod_name: _Name
    node_name: _Name
    hold_s: Annotated[float, Meta(ge=0, le=MAX_HOLD_S)] = 25.0
    """Seconds after which `empty` is answered."""
    rung: _Rung = 0
    """The one with which the worker registered."""


class NewOutput(Struct, frozen=True):
    """A file about to be uploaded."""

    uri: Annotated[str, Meta(min_length=1)]


class NewOutputs(Struct, frozen=True):
    """The body of `POST /datums/{id}/output_files`; the original's workers send no `attempt`."""

    pod_name: _Name
    output_files: list[NewOutput]
    attempt: int | None = None


class OutputUpdate(Struct, frozen=True):
    """What became of an upload."""

    id: UUID
    status: OutputStatus
    size_bytes: _Bytes | None = None
    checksum: str | None = None

    def __post_init__(self) -> None:
        """Its end is what is told of it."""
        if self.status is OutputStatus.RUNNING:
            raise ValueError("`status` is `done` or `error`")


class OutputUpdates(Struct, frozen=True):
    """The body of `PATCH /datums/{id}/output_files`."""

    pod_name: _Name
    output_files: list[OutputUpdate]
    attempt: int | None = None


class Reservation(Struct, frozen=True):
    """The original's `POST /jobs/{id}/reserve_next_datum`."""

    node_name: _Name
    pod_name: _Name


class DatumPatch(Struct, frozen=True):
    """The original's report: `done` with neither, `error` with both of the messages."""

    status: str
    output: str
    error_message: str | None = None
    backtrace: str | None = None


class DatumUpdate(Struct, frozen=True):
    """The body of the original's `PATCH /datums/{id}`."""

    pod_name: _Name
    datum: DatumPatch
