"""Workers of the stress run: pods that claim, upload, succeed, fail, repeat themselves and die."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import TypeVar
from uuid import UUID

import psycopg

from falconeri.db import datums, outputs, workers
from falconeri.db.datums import Work
from falconeri.db.rows import record
from falconeri.errors import ClaimLost, FalconeriError, NotFound, OutputBusy, OutputClash
from falconeri.states import FailureClass, OutputStatus, Verdict
from falconeri.wire.work import Claim, Held, OutputUpdate, Report, WorkAnswer
from tests.sql.factories import DONE, failed
from tests.sql.stress.board import Board
from tests.sql.stress.session import Killed, Session
from tests.sql.stress.tally import Tally

T = TypeVar("T")

FAULTS = (
    *(FailureClass.COMMAND, FailureClass.TIMEOUT, FailureClass.OUT_OF_MEMORY),
    *(FailureClass.STORAGE, FailureClass.INTERNAL),
)
"""What workers report; `lost_worker` and `evicted` are a babysitter's words."""


class Gone(Exception):
    """The pod is dead, or has lost its datum; its worker goes on elsewhere."""


@dataclass(frozen=True)
class Pod:
    """One pod of one job; an original's has no heartbeat and doesn't know its attempt's number."""

    job_id: UUID
    name: str
    original: bool


class Worker:
    """Plays pods, one after the other, until the run is over."""

    def __init__(
        self, session: Session, board: Board, tally: Tally, seed: str, *, hub: bool = False
    ) -> None:
        self.session, self.board, self.tally, self.name = session, board, tally, seed
        self.hub = hub
        self.rng = random.Random(seed)  # noqa: S311 - repeatable, as far as threads allow
        self.numbers = count()

    def __call__(self) -> None:
        while (job_id := self.board.choose(self.rng)) is not None:
            try:
                if self.hub:
                    self._serve_as_hub(job_id)
                else:
                    self._serve(self._new_pod(job_id))
            except Gone:
                continue
            except NotFound:  # deleted since it was chosen
                self.board.end(job_id)

    def _new_pod(self, job_id: UUID) -> Pod:
        original = not self.hub and self.rng.random() < 0.1
        return Pod(job_id, f"{self.name}-{next(self.numbers)}", original)

    # --- One pod ------------------------------------------------------------------------

    def _serve(self, pod: Pod) -> None:
        answer = self._ask(pod)
        if self.rng.random() < 0.05 and not pod.original:
            self._work_beside(pod)
        while answer.verdict is Verdict.BUSY or answer.claim is not None:
            answer = self._ask(pod) if answer.claim is None else self._work(pod, answer.claim)
        self._leave(pod, answer.verdict)

    def _ask(self, pod: Pod, slot: int = 0) -> WorkAnswer:
        return self._call(
            pod,
            lambda conn: datums.claim_datum(
                conn,
                job_id=pod.job_id,
                pod_name=pod.name,
                node_name="node-1",
                leased=not pod.original,
                slot=slot,
            ),
        )

    def _work_beside(self, pod: Pod) -> None:
        """Hold a second datum at once, and another after it."""
        answer = self._ask(pod, slot=1)
        for claim_next in (True, False):
            if answer.claim is not None:
                answer = self._complete(pod, answer.claim, self._report(), claim_next=claim_next)

    def _leave(self, pod: Pod, verdict: Verdict) -> None:
        if verdict is Verdict.ENDED:
            self.board.end(pod.job_id)
        elif self.rng.random() < 0.2:
            self._call(
                pod, lambda conn: conn.execute("select falconeri.watch_job(%s)", (pod.job_id,))
            )

    # --- The hub ------------------------------------------------------------------------

    def _serve_as_hub(self, job_id: UUID) -> None:
        """Claim for waiting pods at once, one of which fetches ahead; each does one datum."""
        pods = {pod.name: pod for pod in (self._new_pod(job_id) for _ in range(3))}
        asked = [(name, 0) for name in pods] + [(min(pods), 1)]
        self.rng.shuffle(asked)
        rows = self.session.insist(lambda conn: _claim_datums(conn, job_id, asked))
        self.board.tick()
        for name, work in rows:
            answer = work.answer()
            if name is not None and answer.claim is not None:
                with suppress(Gone):
                    self._complete(pods[name], answer.claim, self._report(), claim_next=False)
        verdict = rows[-1][1].verdict
        if verdict in (Verdict.EMPTY, Verdict.ENDED):
            self._leave(pods[asked[0][0]], verdict)

    # --- One datum ----------------------------------------------------------------------

    def _work(self, pod: Pod, held: Claim) -> WorkAnswer:
        if self.rng.random() < 0.04:
            self._die(pod)
        report = self._report()
        if self.rng.random() < 0.25:
            report = self._upload(pod, held, report)
        if self.rng.random() < 0.1:
            self._beat(pod, held)
        # The original's workers ask for the next one by another call.
        claim_next = not pod.original and self.rng.random() < 0.85
        answer = self._complete(pod, held, report, claim_next=claim_next)
        if self.rng.random() < 0.05:  # the answer got lost
            answer = self._complete(pod, held, report, claim_next=claim_next)
        return answer if claim_next else self._ask(pod)

    def _report(self) -> Report:
        return failed(self.rng.choice(FAULTS)) if self.rng.random() < 0.2 else DONE

    def _complete(self, pod: Pod, held: Claim, report: Report, *, claim_next: bool) -> WorkAnswer:
        ending = (held.datum_id, held.attempt, pod.name, report.outcome, report.failure_class)
        self.tally.tried.add(ending)
        try:
            answer = self._call(
                pod,
                lambda conn: datums.complete_and_claim(
                    conn,
                    datum_id=held.datum_id,
                    pod_name=pod.name,
                    attempt=None if pod.original else held.attempt,
                    report=report,
                    claim_next=claim_next,
                ),
                ends=True,
            )
        except ClaimLost as ex:
            if not pod.original:  # whose repeats are known by the datum's last attempt only
                self.tally.refused.add(ending)
            raise Gone from ex
        self.tally.acknowledged.add(ending)
        return answer

    def _upload(self, pod: Pod, held: Claim, report: Report) -> Report:
        """Register files, which another datum may own; settle some of them."""
        stem = held.inputs[0].uri.replace("s3://in/", "s3://out/")
        uris = [f"{stem}.{i}" for i in range(self.rng.randint(0, 2))]
        if self.rng.random() < 0.1:
            uris.append(f"{stem.rpartition('/')[0]}/shared")
        attempt = None if pod.original else held.attempt
        try:
            files = self._call(
                pod,
                lambda conn: outputs.register_outputs(
                    conn, datum_id=held.datum_id, pod_name=pod.name, attempt=attempt, uris=uris
                ),
            )
            self.tally.registered.update((held.datum_id, file.uri) for file in files)
            done = [OutputUpdate(file.id, OutputStatus.DONE, 1) for file in files]
            if self.rng.random() < 0.8:
                self._call(
                    pod,
                    lambda conn: outputs.settle_outputs(
                        conn,
                        datum_id=held.datum_id,
                        pod_name=pod.name,
                        attempt=attempt,
                        updates=done,
                    ),
                )
        except (OutputClash, OutputBusy):
            return failed(FailureClass.STORAGE)
        except NotFound:
            raise
        except FalconeriError as ex:  # lost meanwhile, or the job has ended
            raise Gone from ex
        return report

    def _beat(self, pod: Pod, held: Claim) -> None:
        heard = self._call(
            pod,
            lambda conn: workers.extend_leases(
                conn,
                job_id=pod.job_id,
                pod_name=pod.name,
                held=[Held(held.datum_id, held.attempt)],
            ),
        )
        if heard.lost:
            raise Gone

    # --- Life and death -----------------------------------------------------------------

    def _call(self, pod: Pod, call: Callable[[psycopg.Connection], T], *, ends: bool = False) -> T:
        """Make a call; killed meanwhile, the pod lives and repeats it, or dies with its session."""
        while True:
            try:
                result = self.session.once(call)
            except Killed:
                if self.rng.random() < 0.5:
                    self._die(pod)
            else:
                self.board.tick(ended=ends)
                return result

    def _die(self, pod: Pod) -> None:
        """Be found dead by the cluster, or just be silent until the lease is over."""
        if pod.original or self.rng.random() < 0.6:
            self.board.bury(pod.job_id, pod.name)
        raise Gone


def _claim_datums(
    conn: psycopg.Connection, job_id: UUID, asked: list[tuple[str, int]]
) -> list[tuple[str | None, Work]]:
    query = """
        select pod_name, verdict, datum_id, attempt, inputs
        from falconeri.claim_datums(%s, %s::text[], %s::text[], %s::smallint[])
    """
    names, slots = [name for name, _ in asked], [slot for _, slot in asked]
    nodes = ["node-1"] * len(asked)
    with conn.cursor(row_factory=record(_PodWork)) as cursor:
        rows = cursor.execute(query, (job_id, names, nodes, slots)).fetchall()
    return [(row.pod_name, row) for row in rows]


class _PodWork(Work, frozen=True):
    pod_name: str | None
