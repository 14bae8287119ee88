"""The life of a worker: register, then datum after datum until the job has ended.

Called by `main`. One round trip per datum besides its outputs: each report asks for the next datum.
"""

from __future__ import annotations

import random
from uuid import UUID

from falconeri.client.retry import BRIEF, ONCE, PATIENT
from falconeri.client.transport import Transport
from falconeri.client.work import WorkClient
from falconeri.errors import (
    ClaimLost,
    DatumNotFound,
    FalconeriError,
    JobNotFound,
    JobNotRunning,
)
from falconeri.log import get_logger
from falconeri.states import AttemptOutcome, FailureClass, Verdict
from falconeri.wire.work import Claim, Completion, Report, WorkAnswer, WorkerIdentity, WorkOrder
from falconeri_worker.datum import DatumRunner
from falconeri_worker.heartbeat import BEATS_PER_LEASE, Heartbeat
from falconeri_worker.programs import open_program
from falconeri_worker.settings import Settings
from falconeri_worker.stopping import Terminated, Termination
from falconeri_worker.waiting import LONG_HOLD_S, Polled, Told, ToldOrPolled

_TRY_TIMEOUT_S = 30.0
_LEAVING_TIMEOUT_S = 5.0
_HOLD_MARGIN_S = 15.0
_BUSY_PAUSE_S = 0.1

log = get_logger(__name__)


def work_for(job_id: UUID, settings: Settings, termination: Termination) -> None:
    """Work until the job has ended.

    Raises:
        Terminated: Told to go; the datum in work has been given back.
        FalconeriError: falconerid refused us, or was away for too long.
    """
    transport = Transport(
        settings.url,
        settings.password,
        timeout_s=_TRY_TIMEOUT_S,
        retries=PATIENT,
        pause=termination.pause,
    )
    identity = WorkerIdentity(pod_name=settings.pod_name, node_name=settings.node_name)
    try:
        order = WorkClient(transport).register(job_id, identity)
        if not order.status.finished:
            _Worker(order, settings, identity, transport, termination).run()
    except (JobNotFound, JobNotRunning) as ex:
        log.info("job_ended", job_id=job_id, reason=str(ex))
    else:
        log.info("job_ended", job_id=job_id)


class _Worker:
    def __init__(
        self,
        order: WorkOrder,
        settings: Settings,
        identity: WorkerIdentity,
        transport: Transport,
        termination: Termination,
    ) -> None:
        self._order = order
        self._log = log.bind(job_id=order.job_id)
        self._identity = identity
        self._termination = termination
        self._client = WorkClient(transport)
        beat_s = min(order.lease_s / BEATS_PER_LEASE / 2, _TRY_TIMEOUT_S)
        beating = WorkClient(transport.but(timeout_s=beat_s, retries=ONCE))
        self._heartbeat = Heartbeat(beating, order, identity.pod_name)
        # For the last call of all: its pauses are short, and don't end at the signal's wish.
        self._leaving = WorkClient(
            Transport(
                settings.url,
                settings.password,
                timeout_s=_LEAVING_TIMEOUT_S,
                retries=BRIEF,
                connections=transport.connections,
            )
        )
        told = Told(
            WorkClient(
                transport.but(
                    url=settings.wait_url, timeout_s=LONG_HOLD_S + _HOLD_MARGIN_S, retries=ONCE
                )
            ),
            order.job_id,
            identity,
            pause=termination.pause,
        )
        self._waiting = ToldOrPolled(told, Polled(self._claim, pause=termination.pause))
        self._program = open_program(order, settings)
        self._runner = DatumRunner(
            order=order,
            settings=settings,
            program=self._program,
            client=self._client,
            heartbeat=self._heartbeat,
            termination=termination,
        )

    def run(self) -> None:
        self._heartbeat.start()
        try:
            claim = self._wanted(self._claim())
            while claim is not None:
                claim = self._wanted(self._work_on(claim))
        finally:
            self._program.close()
            self._heartbeat.close()

    def _claim(self) -> WorkAnswer:
        return self._client.claim(self._order.job_id, self._identity)

    def _wanted(self, answer: WorkAnswer) -> Claim | None:
        """Wait, if need be, until there is a datum (returned) or the job has ended (None)."""
        while True:
            match answer.verdict:
                case Verdict.CLAIMED if answer.claim is not None:
                    return answer.claim
                case Verdict.CLAIMED:
                    raise FalconeriError("falconerid handed out a datum without saying which")
                case Verdict.ENDED:
                    self._runner.clean_up()
                    return None
                case Verdict.BUSY:
                    self._termination.pause(random.uniform(0, _BUSY_PAUSE_S))  # noqa: S311
                    answer = self._claim()
                case Verdict.EMPTY:
                    self._runner.clean_up()
                    with self._termination.interruptible():
                        answer = self._waiting.ask()

    def _work_on(self, claim: Claim) -> WorkAnswer:
        """Work on a datum and report; return what comes next."""
        report = None
        try:
            report = self._runner.run(claim)
            return self._complete(claim, report)
        except Terminated as ex:
            self._give_back(claim, report or _evicted(ex))
            raise
        except (ClaimLost, DatumNotFound) as ex:
            self._log.warning(
                "claim_lost", datum_id=claim.datum_id, attempt=claim.attempt, reason=str(ex)
            )
            return self._claim()

    def _complete(self, claim: Claim, report: Report) -> WorkAnswer:
        completion = Completion(
            pod_name=self._identity.pod_name,
            attempt=claim.attempt,
            report=report,
            claim_next=not self._termination.requested,
        )
        return self._client.complete(claim.datum_id, completion)

    def _give_back(self, claim: Claim, report: Report) -> None:
        completion = Completion(
            pod_name=self._identity.pod_name, attempt=claim.attempt, report=report, claim_next=False
        )
        about = self._log.bind(datum_id=claim.datum_id, attempt=claim.attempt)
        try:
            self._leaving.complete(claim.datum_id, completion)
        except FalconeriError as ex:
            about.warning("datum_not_given_back", error=str(ex))
        else:
            about.info("datum_given_back", outcome=report.outcome)


def _evicted(why: Terminated) -> Report:
    return Report(
        outcome=AttemptOutcome.ERROR,
        failure_class=FailureClass.EVICTED,
        error_message=f"the worker was told to go ({why.signal.name})",
    )
