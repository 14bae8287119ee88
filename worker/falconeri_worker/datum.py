"""One datum from its inputs to its outputs, and the report of how that went.

Called by `lane`, in its thread. Whatever happens to a datum becomes its report; only what ends
the attempt from outside (the claim is lost, the job is over, the worker must go) is raised.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from falconeri.client.work import WorkClient
from falconeri.errors import (
    ClaimLost,
    Forbidden,
    InvalidInput,
    JobNotRunning,
    NotFound,
    OutputBusy,
    OutputClash,
    StorageError,
    Unauthorized,
    Unavailable,
)
from falconeri.log import get_logger
from falconeri.states import AttemptOutcome, FailureClass
from falconeri.storage.pool import FILE_THREADS
from falconeri.wire.work import Claim, Report, WorkOrder
from falconeri_worker import transfers
from falconeri_worker.directories import OUT, Place
from falconeri_worker.excerpt import Excerpt, printable
from falconeri_worker.heartbeat import Heartbeat
from falconeri_worker.inputs import fetch_inputs
from falconeri_worker.outputs import Output, OutputRefused, Publisher, find_outputs
from falconeri_worker.program import Program, ProgramFailed, Ran
from falconeri_worker.room import Room, is_disk_full
from falconeri_worker.roster import Roster
from falconeri_worker.settings import Settings
from falconeri_worker.stopping import Stop
from falconeri_worker.stores import Stores

T = TypeVar("T")

_ABOUT_THE_ATTEMPT = (ClaimLost, NotFound, JobNotRunning, Unauthorized, Forbidden, Unavailable)
"""What falconerid says that is not the datum's failure: the loop decides."""

_POLL_S = 0.1

_MESSAGE_BYTES = 8 * 1024

log = get_logger(__name__)


@dataclass(kw_only=True)
class Measures:
    """What is known of an attempt so far."""

    begun: float = field(default_factory=time.monotonic)
    seconds: dict[str, float] = field(default_factory=dict[str, float])
    bytes_in: int | None = None
    bytes_out: int | None = None
    output: Excerpt = field(default_factory=Excerpt)
    """What the command prints; it may be running."""
    ran: Ran | None = None

    @contextmanager
    def timed(self, name: str) -> Generator[None]:
        """Measure a block, also if it fails."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = round(time.monotonic() - begun, 3)


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What ends the work on all datums of a worker."""

    going: Stop
    """Nothing new begins: no command."""
    now: Stop
    """Nor does anything go on."""


@dataclass(frozen=True)
class Post:
    """A lane's place among the others."""

    slot: int
    place: Place
    roster: Roster
    room: Room


class DatumRunner:
    """Runs the datums of one lane, one after the other.

    Args:
        order: The job.
        settings: The surroundings.
        program: What runs over the files.
        client: To falconerid.
        heartbeat: What keeps claims alive.
        wishes: What stops the whole worker.
        post: The lane.
        stores: Where files come from and go to.
    """

    def __init__(
        self,
        *,
        order: WorkOrder,
        settings: Settings,
        program: Program,
        client: WorkClient,
        heartbeat: Heartbeat,
        wishes: Wishes,
        post: Post,
        stores: Stores,
    ) -> None:
        self._order = order
        self._settings = settings
        self._program = program
        self._client = client
        self._heartbeat = heartbeat
        self._wishes = wishes
        self._post = post
        self._stores = stores

    def run(self, claim: Claim) -> Report:
        """Work on a datum and report. Its files stay until the next one, or `clean_up`.

        Raises:
            ClaimLost: Drop the datum, somebody else has it.
            NotFound: The datum or the job is gone.
            JobNotRunning: The job has ended.
            Leaving: This worker ends.
            Unavailable: falconerid was away for too long.
        """
        measures = Measures()
        with self._heartbeat.holding(claim, measures.output) as lost:
            report = self._report(claim, lost, measures)
        self._log(claim, measures, report)
        return report

    def clean_up(self) -> None:
        """Empty the lane's directories, so that a worker without a datum needs no space."""
        try:
            self._post.place.clear()
        except OSError as ex:
            # The next datum will fail over it if it is still so; the last one is not to blame.
            log.warning("directories_not_emptied", job_id=self._order.job_id, error=str(ex))

    def _report(self, claim: Claim, lost: Stop, measures: Measures) -> Report:
        try:
            self._work(claim, lost, measures)
        except _ABOUT_THE_ATTEMPT:
            raise
        except Exception as ex:  # noqa: BLE001 (a defect costs a datum, never the worker)
            return _report_of_failure(ex, measures)
        if measures.ran is not None and measures.ran.recovered:
            return _report_of_recovery(measures.ran, measures)
        return _report_of(measures, outcome=AttemptOutcome.DONE)

    def _work(self, claim: Claim, lost: Stop, measures: Measures) -> None:
        fetched = self._fetch_ahead(claim, lost, measures)
        with self._turn(lost, measures):
            if not fetched:
                self._fetch_alone(claim, lost, measures)
            outputs = self._compute(claim, lost, measures)
        with measures.timed("upload_s"):
            publisher = Publisher(
                client=self._client,
                claim=claim,
                pod_name=self._settings.pod_name,
                stores=self._stores,
                pause=self._wishes.now.pause,
                await_lease=partial(self._await_lease, claim, lost),
                run_all=self._run_all(lost, self._wishes.now, FILE_THREADS),
            )
            measures.bytes_out = publisher.publish(outputs)
        self._post.room.note((measures.bytes_in or 0) + measures.bytes_out)

    def _await_lease(self, claim: Claim, lost: Stop) -> None:
        while not self._heartbeat.is_sure_of(claim):
            lost.check()
            self._wishes.now.pause(_POLL_S)

    def _fetch_ahead(self, claim: Claim, lost: Stop, measures: Measures) -> bool:
        """Fetch the inputs, maybe while another lane's command runs; False: the disk is full."""
        try:
            self._fetch(claim, lost, measures)
        except (StorageError, OSError) as ex:
            if not is_disk_full(ex) or self._post.roster.is_alone(self._post.slot):
                raise
            log.info("no_room_ahead", datum_id=claim.datum_id, error=str(ex))
            self._post.room.note_full()
            self._post.place.clear()
            return False
        return True

    def _fetch_alone(self, claim: Claim, lost: Stop, measures: Measures) -> None:
        """Fetch the inputs when no other lane's files are on the disk any more."""
        while not self._post.roster.is_alone(self._post.slot):
            lost.check()
            self._wishes.going.pause(_POLL_S)
        self._fetch(claim, lost, measures)

    def _fetch(self, claim: Claim, lost: Stop, measures: Measures) -> None:
        self._wishes.going.check()
        self._post.place.prepare()
        with measures.timed("download_s"):
            run_all = self._run_all(lost, self._wishes.going, FILE_THREADS)
            measures.bytes_in = fetch_inputs(
                claim.inputs, self._post.place.aside, self._stores, run_all
            )
        self._post.room.note(measures.bytes_in)

    @contextmanager
    def _turn(self, lost: Stop, measures: Measures) -> Generator[None]:
        """Have the command's turn in this block."""
        with ExitStack() as held:
            with measures.timed("turn_s"):
                slot = self._post.slot
                held.enter_context(self._post.roster.turn(slot, self._wishes.going, lost))
            yield

    def _compute(self, claim: Claim, lost: Stop, measures: Measures) -> list[Output]:
        """Run the command; return the files that it leaves, where they are then."""
        place = self._post.place
        place.enter()
        try:
            with measures.timed("command_s"):
                stops = (self._wishes.now, lost)
                measures.ran = self._program.run(claim, stops=stops, output=measures.output)
            _check(measures.ran)
            root = place.out.resolve()
            # What a command that failed has left is none.
            recovered = measures.ran.recovered
            outputs = [] if recovered else find_outputs(place.out, self._order.egress_uri)
        except BaseException:
            with suppress(OSError):  # who comes next finds it so, and says so
                place.leave()
            raise
        place.leave()
        return [output.moved(root, place.aside / OUT) for output in outputs]

    def _run_all(
        self, lost: Stop, leaving: Stop, threads: int
    ) -> Callable[[Sequence[Callable[[], T]]], list[T]]:
        return partial(transfers.run_all, threads=threads, lost=lost, leaving=leaving)

    def _log(self, claim: Claim, measures: Measures, report: Report) -> None:
        fields: dict[str, object] = {
            "job_id": self._order.job_id,
            "datum_id": claim.datum_id,
            "attempt": claim.attempt,
            "elapsed_s": round(time.monotonic() - measures.begun, 3),
            **measures.seconds,
            "bytes_in": report.bytes_in,
            "bytes_out": report.bytes_out,
        }
        if report.outcome is AttemptOutcome.DONE:
            log.info("datum_done", **fields)
            return
        failed = {"failure_class": report.failure_class, "error": report.error_message}
        recovered = report.outcome is AttemptOutcome.RECOVERED
        log.warning("datum_recovered" if recovered else "datum_failed", **fields, **failed)


def _check(ran: Ran) -> None:
    if ran.failure is not None and not ran.recovered:
        raise ran.failure


def _report_of_failure(error: Exception, measures: Measures) -> Report:
    failure_class = _class_of(error)
    trace = "".join(traceback.format_exception(error))
    return _report_of(
        measures,
        outcome=AttemptOutcome.ERROR,
        failure_class=failure_class,
        error_message=_bounded(str(error) or type(error).__name__),
        backtrace=_bounded(trace) if failure_class is FailureClass.INTERNAL else None,
    )


def _report_of_recovery(ran: Ran, measures: Measures) -> Report:
    return _report_of(
        measures,
        outcome=AttemptOutcome.RECOVERED,
        failure_class=ran.failure.failure_class if ran.failure else None,
        error_message=_bounded(str(ran.failure)),
    )


def _class_of(error: Exception) -> FailureClass:
    match error:
        case ProgramFailed(failure_class=failure_class):
            return failure_class
        case OutputRefused() | OutputClash():
            return FailureClass.COMMAND
        case StorageError() | InvalidInput() | OutputBusy():
            return FailureClass.STORAGE
        case _:
            return FailureClass.INTERNAL


def _report_of(
    measures: Measures,
    *,
    outcome: AttemptOutcome,
    failure_class: FailureClass | None = None,
    error_message: str | None = None,
    backtrace: str | None = None,
) -> Report:
    ran = measures.ran or Ran()
    return Report(
        outcome=outcome,
        failure_class=failure_class,
        output=measures.output.text(),
        error_message=error_message,
        backtrace=backtrace,
        exit_code=ran.exit_code,
        signal=ran.signal,
        bytes_in=measures.bytes_in,
        bytes_out=measures.bytes_out,
        cpu_s=ran.cpu_s,
        peak_memory_bytes=ran.peak_memory_bytes,
    )


def _bounded(text: str) -> str:
    excerpt = Excerpt(_MESSAGE_BYTES)
    excerpt.add(printable(text).encode())
    return excerpt.text()
