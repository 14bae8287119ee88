"""One datum from its inputs to its outputs, and the report of how that went.

Called by `loop`, in the main thread. Whatever happens to a datum becomes its report; only what ends
the attempt from outside (the claim is lost, the job is over, the worker must go) is raised.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

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
from falconeri_worker import directories, transfers
from falconeri_worker.excerpt import Excerpt, printable
from falconeri_worker.heartbeat import Heartbeat
from falconeri_worker.inputs import fetch_inputs
from falconeri_worker.outputs import OutputRefused, Publisher, find_outputs
from falconeri_worker.program import Program, ProgramFailed, Ran
from falconeri_worker.settings import Settings
from falconeri_worker.stopping import Stop, Termination
from falconeri_worker.stores import Stores

_ABOUT_THE_ATTEMPT = (ClaimLost, NotFound, JobNotRunning, Unauthorized, Forbidden, Unavailable)
"""What falconerid says that is not the datum's failure: the loop decides."""

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


class DatumRunner:
    """Runs the datums of one job, one after the other.

    Args:
        order: The job.
        settings: The surroundings.
        program: What runs over the files.
        client: To falconerid.
        heartbeat: What keeps claims alive.
        termination: The wish that the whole worker stops.
    """

    def __init__(
        self,
        *,
        order: WorkOrder,
        settings: Settings,
        program: Program,
        client: WorkClient,
        heartbeat: Heartbeat,
        termination: Termination,
    ) -> None:
        self._order = order
        self._settings = settings
        self._program = program
        self._client = client
        self._heartbeat = heartbeat
        self._termination = termination
        self._stores = Stores()

    def run(self, claim: Claim) -> Report:
        """Work on a datum and report. Its files stay until the next one, or `clean_up`.

        Raises:
            ClaimLost: Drop the datum, somebody else has it.
            NotFound: The datum or the job is gone.
            JobNotRunning: The job has ended.
            Terminated: This worker has been told to go.
            Unavailable: falconerid was away for too long.
        """
        measures = Measures()
        with self._heartbeat.holding(claim, measures.output) as lost:
            report = self._report(claim, lost, measures)
        self._log(claim, measures, report)
        return report

    def clean_up(self) -> None:
        """Empty the two directories, so that a worker without a datum needs no space."""
        try:
            directories.empty(self._settings.pfs)
            directories.empty(self._settings.scratch)
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
        return _report_of(measures, outcome=AttemptOutcome.DONE)

    def _work(self, claim: Claim, lost: Stop, measures: Measures) -> None:
        self._termination.check()
        out = directories.reset(self._settings.pfs, self._settings.scratch)
        run_all = partial(transfers.run_all, lost=lost, termination=self._termination)
        with measures.timed("download_s"):
            measures.bytes_in = fetch_inputs(
                claim.inputs,
                self._settings.pfs,
                self._stores,
                partial(run_all, threads=FILE_THREADS),
            )
        with measures.timed("command_s"):
            stops = (self._termination, lost)
            measures.ran = self._program.run(claim, stops=stops, output=measures.output)
        if measures.ran.failure is not None:
            raise measures.ran.failure
        with measures.timed("upload_s"):
            publisher = Publisher(
                client=self._client,
                claim=claim,
                pod_name=self._settings.pod_name,
                stores=self._stores,
                pause=self._termination.pause,
                run_all=partial(run_all, threads=FILE_THREADS),
            )
            outputs = find_outputs(out, self._order.egress_uri)
            measures.bytes_out = publisher.publish(outputs)

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
        else:
            failed = {"failure_class": report.failure_class, "error": report.error_message}
            log.warning("datum_failed", **fields, **failed)


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
