"""One lane of a worker: datum after datum until the job has ended.

Called by `crew`, in a thread of its own. One round trip per datum besides its outputs: each report
asks for the lane's next datum.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from falconeri.client.work import WorkClient
from falconeri.errors import ClaimLost, DatumNotFound, FalconeriError
from falconeri.log import get_logger
from falconeri.states import AttemptOutcome, FailureClass, Verdict
from falconeri.wire.work import (
    Claim,
    ClaimRequest,
    Completion,
    Report,
    WorkAnswer,
    WorkerIdentity,
    WorkOrder,
)
from falconeri_worker.datum import DatumRunner, Post
from falconeri_worker.roster import Next, Phase
from falconeri_worker.stopping import Leaving, Stop
from falconeri_worker.waiting import Waiting

_BUSY_PAUSE_S = 0.1

log = get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Calls:
    """What all lanes use to speak to falconerid."""

    order: WorkOrder
    identity: WorkerIdentity
    client: WorkClient
    leaving: WorkClient
    """For the last call of all: its pauses are short, and don't end at anybody's wish."""
    waiting: Waiting


@dataclass(frozen=True)
class _Answer:
    """What falconerid said, and to what; None: it wasn't asked for a datum."""

    work: WorkAnswer
    to: Next | None


class Lane:
    """Works in one of a worker's slots.

    Args:
        post: Its place among the others.
        calls: How to speak to falconerid.
        runner: Works on its datums.
        going: The wish that nothing new is begun.
    """

    def __init__(self, post: Post, calls: Calls, runner: DatumRunner, going: Stop) -> None:
        self._slot = post.slot
        self._roster = post.roster
        self._calls = calls
        self._runner = runner
        self._going = going
        self._log = log.bind(job_id=calls.order.job_id)

    def run(self) -> None:
        """Work until the job has ended.

        Raises:
            Leaving: This worker ends; the datum in work has been given back.
            FalconeriError: falconerid refused us, or was away for too long; or there is no such job
                any more.
        """
        # One lane begins; the others follow when its command runs.
        answer = self._claim(Next.ASK) if self._slot == 0 else _AWAITED
        while (claim := self._wanted(answer)) is not None:
            self._roster.set_phase(self._slot, Phase.BEFORE)
            answer = self._work_on(claim)

    def _wanted(self, answer: _Answer) -> Claim | None:
        """Wait, if need be, until there is a datum (returned) or the job has ended (None)."""
        while True:
            match answer.work.verdict:
                case Verdict.CLAIMED if answer.work.claim is not None:
                    return answer.work.claim
                case Verdict.CLAIMED:
                    raise FalconeriError("falconerid handed out a datum without saying which")
                case Verdict.ENDED:
                    self._runner.clean_up()
                    self._roster.close()
                    return None
                case Verdict.BUSY:
                    self._going.pause(random.uniform(0, _BUSY_PAUSE_S))  # noqa: S311
                    answer = self._claim(answer.to or Next.ASK)
                case Verdict.EMPTY:
                    self._runner.clean_up()
                    match self._roster.await_change(self._slot, answer.to):
                        case Next.LEAVE:
                            self._going.check()
                            return None
                        case Next.WAIT:
                            answer = _Answer(self._calls.waiting.ask(), Next.ASK)
                        case wish:
                            answer = self._claim(wish)

    def _claim(self, wish: Next) -> _Answer:
        self._going.check()
        who = self._calls.identity
        ahead = wish is Next.ASK_AHEAD
        request = ClaimRequest(who.pod_name, who.node_name, slot=self._slot, ahead=ahead)
        return _Answer(self._calls.client.claim(self._calls.order.job_id, request), wish)

    def _work_on(self, claim: Claim) -> _Answer:
        """Work on a datum and report; return what comes next."""
        report = None
        try:
            report = self._runner.run(claim)
            return self._complete(claim, report)
        except Leaving as ex:
            self._give_back(claim, report or _evicted(ex))
            raise
        except (ClaimLost, DatumNotFound) as ex:
            self._log.warning(
                "claim_lost", datum_id=claim.datum_id, attempt=claim.attempt, reason=str(ex)
            )
            # Another lane may ask or fetch just now.
            return _NOTHING

    def _complete(self, claim: Claim, report: Report) -> _Answer:
        wish = None if self._going.requested else self._roster.ask_with_report(self._slot)
        completion = Completion(
            pod_name=self._calls.identity.pod_name,
            attempt=claim.attempt,
            report=report,
            claim_next=wish is not None,
            ahead=wish is Next.ASK_AHEAD,
        )
        return _Answer(self._calls.client.complete(claim.datum_id, completion), wish)

    def _give_back(self, claim: Claim, report: Report) -> None:
        completion = Completion(
            pod_name=self._calls.identity.pod_name,
            attempt=claim.attempt,
            report=report,
            claim_next=False,
        )
        about = self._log.bind(datum_id=claim.datum_id, attempt=claim.attempt)
        try:
            self._calls.leaving.complete(claim.datum_id, completion)
        except FalconeriError as ex:
            about.warning("datum_not_given_back", error=str(ex))
        else:
            about.info("datum_given_back", outcome=report.outcome)


_NOTHING = _Answer(WorkAnswer(Verdict.EMPTY), None)
_AWAITED = _Answer(WorkAnswer(Verdict.EMPTY), Next.ASK)
"""The first lane asks for all."""


def _evicted(why: Leaving) -> Report:
    return Report(
        outcome=AttemptOutcome.ERROR,
        failure_class=FailureClass.EVICTED,
        error_message=str(why),
    )
