"""Random histories of jobs against what must always hold."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

import msgspec
import psycopg
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from falconeri.db import controls, datums, jobs, outputs, rungs, workers
from falconeri.db.datums import Work
from falconeri.db.jobs import NewJobKey
from falconeri.db.rows import record
from falconeri.errors import ClaimLost, JobNotRunning, OutputBusy, OutputClash, OutputsMismatch
from falconeri.states import AttemptOutcome, DatumStatus, FailureClass, Verdict
from falconeri.wire.work import Claim, Held, Report, WorkAnswer
from tests.conftest import Connect
from tests.sql import recount
from tests.sql.factories import DONE, ask, complete, failed, make_job, progress, value

PODS = st.sampled_from(
    [("a", 0), ("a", 1), ("b", 0), ("c", 0), ("big", 0), ("big", 1), ("huge", 0)]
)
RUNGS = {"big": 1, "huge": 2}
RECOVERED = msgspec.structs.replace(failed(), outcome=AttemptOutcome.RECOVERED)
STORE_FAILED = failed(FailureClass.STORAGE)
REPORTS = st.sampled_from([DONE, DONE, RECOVERED, STORE_FAILED, *map(failed, FailureClass)])
NEXT = st.fixed_dictionaries({"claim_next": st.booleans(), "ahead": st.booleans()})
URIS = st.sets(st.sampled_from(["s3://out/1", "s3://out/2", "s3://out/3"]), max_size=2)
REFUSALS = {
    error.sqlstate for error in (ClaimLost, JobNotRunning, OutputBusy, OutputClash, OutputsMismatch)
}
TERMINAL = (DatumStatus.DONE, DatumStatus.ERROR, DatumStatus.CANCELED)

WAITING = "select count(*) from falconeri.requeue where job_no = %s and ready_at is not null"

Attempt = tuple[str, Claim]
Next = dict[str, bool]
NOTHING: MultipleResults[Attempt] = multiple()


class JobHistory(RuleBasedStateMachine):
    """Pods claim, complete, die and repeat themselves in any order; operators interfere."""

    conn: psycopg.Connection  # set by the test

    attempts: Bundle[Attempt] = Bundle("attempts")

    @initialize(
        count=st.integers(1, 8),
        shards=st.integers(1, 3),
        max_tries=st.integers(1, 3),
        max_losses=st.integers(1, 4),
        memory=st.sampled_from([(), ("1Gi", "2Gi"), ("1Gi", "2Gi", "3Gi")]),
    )
    def begin(
        self, count: int, shards: int, max_tries: int, max_losses: int, memory: tuple[str, ...]
    ) -> None:
        self.later_s = 0
        self._pass(0)
        self.job = make_job(
            self.conn,
            count,
            shards=min(shards, count),
            max_tries=max_tries,
            max_losses=max_losses,
            memory=memory,
        )
        for pod, rung in RUNGS.items():
            if rung < len(memory):
                workers.register_worker(
                    self.conn, job_id=self.job.job_id, pod_name=pod, node_name="n", rung=rung
                )
        self.ended: dict[UUID, DatumStatus] = {}
        self.seen: dict[tuple[UUID, int], str] = {}
        self.count = count
        self.paused = False

    def _note(self, pod: str, answer: WorkAnswer, *, ahead: bool = False) -> Attempt | None:
        """An attempt is only ever one pod's, and numbers are not used again."""
        assert answer.verdict is not Verdict.BUSY, "nobody else is there"
        if answer.claim is None:
            return None
        key = (answer.claim.datum_id, answer.claim.attempt)
        if key not in self.seen:
            assert not self.paused
            assert answer.claim.attempt == 1 or not ahead, "it is for whoever has none"
        assert self.seen.setdefault(key, pod) == pod
        assert answer.claim.datum_id not in self.ended
        return pod, answer.claim

    @rule(target=attempts, pod_slot=PODS, ahead=st.booleans())
    def claim(
        self, pod_slot: tuple[str, int], *, ahead: bool
    ) -> Attempt | MultipleResults[Attempt]:
        pod, slot = pod_slot
        answer = ask(self.conn, self.job, pod, slot=slot, ahead=ahead)
        found = self._note(pod, answer, ahead=ahead)
        return NOTHING if found is None else found

    @rule(target=attempts, pods_slots=st.lists(PODS, min_size=1, max_size=4))
    def claim_by_hub(self, pods_slots: list[tuple[str, int]]) -> MultipleResults[Attempt]:
        answers = hand_out(self.conn, self.job, pods_slots)
        assert all(answer.claim for answer in answers[:-1]), "it stops where there is nothing"
        assert len(answers) == len(pods_slots) or answers[-1].claim is None
        found = (
            self._note(pod, answer) for (pod, _), answer in zip(pods_slots, answers, strict=False)
        )
        return multiple(*filter(None, found))

    @rule(target=attempts, attempt=attempts, report=REPORTS, next_one=NEXT)
    def complete_whatever_it_was(
        self, attempt: Attempt, report: Report, next_one: Next
    ) -> Attempt | MultipleResults[Attempt]:
        try:
            found = self._complete(attempt, report, next_one)
        except psycopg.DatabaseError as ex:
            if ex.sqlstate != ClaimLost.sqlstate:
                raise
            return NOTHING
        return NOTHING if found is None else found

    @rule(
        target=attempts,
        shift=st.lists(st.tuples(PODS, REPORTS, NEXT), min_size=1, max_size=4),
    )
    def work(self, shift: list[tuple[tuple[str, int], Report, Next]]) -> MultipleResults[Attempt]:
        taken: list[Attempt] = []
        for (pod, slot), report, next_one in shift:
            found = self._note(pod, ask(self.conn, self.job, pod, slot=slot))
            following = self._complete(found, report, next_one) if found else None
            taken += [following] if following else []
        return multiple(*taken)

    def _complete(self, attempt: Attempt, report: Report, next_one: Next) -> Attempt | None:
        pod, held = attempt
        answer = complete(self.conn, held, pod, report, **next_one)
        return self._note(pod, answer, ahead=next_one["ahead"])

    @rule(
        pod=st.sampled_from(["a", "b", "c", "big", "huge"]),
        failure_class=st.sampled_from(FailureClass),
    )
    def die(self, pod: str, failure_class: FailureClass) -> None:
        workers.requeue_lost(
            self.conn,
            job_id=self.job.job_id,
            pod_name=pod,
            failure_class=failure_class,
            message="dead",
        )

    @rule(attempt=attempts)
    def give_a_sign_of_life(self, attempt: Attempt) -> None:
        pod, held = attempt
        workers.extend_leases(
            self.conn,
            job_id=self.job.job_id,
            pod_name=pod,
            held=[Held(held.datum_id, held.attempt)],
        )

    def _pass(self, seconds: int) -> None:
        """Time stands still but here, so that a history that is played again is the same."""
        self.later_s += seconds
        self.conn.execute(
            """
            select set_config(
              'falconeri.now', (timestamptz '2100-01-01Z' + make_interval(secs => %s))::text, false
            )
            """,
            (self.later_s,),
        )

    @rule(pod_slot=PODS, pass_s=st.sampled_from([0, 30]), limit=st.integers(1, 4))
    def fail_by_a_store_and_promote(
        self, pod_slot: tuple[str, int], pass_s: int, limit: int
    ) -> None:
        self.work([(pod_slot, STORE_FAILED, {"claim_next": False, "ahead": False})])
        self._pass(pass_s)
        # All who wait are due, or none: how long they do is random, but less than 30 s.
        ready = progress(self.conn, self.job).ready
        # All of them: earlier histories have left some, too.
        while datums.promote_delayed(self.conn, limit=limit) == limit:
            pass
        assert progress(self.conn, self.job).ready == ready
        waiting = value(self.conn, WAITING, self.job.job_no)
        assert waiting == 0 or pass_s == 0

    @rule(pass_s=st.sampled_from([0, 0, 40, 90]), limit=st.integers(1, 4))
    def expire(self, pass_s: int, limit: int) -> None:
        self._pass(pass_s)
        # All of them: which ones come first is PostgreSQL's choice, and not the same each time.
        while workers.requeue_expired(self.conn, limit=limit).looked == limit:
            pass

    @rule(attempt=attempts, uris=URIS)
    def register(self, attempt: Attempt, uris: set[str]) -> None:
        pod, held = attempt
        try:
            files = outputs.register_outputs(
                self.conn,
                datum_id=held.datum_id,
                pod_name=pod,
                attempt=held.attempt,
                uris=sorted(uris),
            )
        except psycopg.DatabaseError as ex:
            if ex.sqlstate not in REFUSALS:
                raise
        else:
            assert {file.uri for file in files} == uris

    @rule()
    def look_at_the_rungs(self) -> None:
        needed = {rung.rung: rung.workers for rung in rungs.size_rungs(self.conn)}
        waiting = self.conn.execute(
            "select distinct rung from falconeri.requeue where job_no = %s and rung > 0",
            (self.job.job_no,),
        ).fetchall()
        assert {rung for (rung,) in waiting} <= needed.keys()

    @rule(parallelism=st.integers(0, 3))
    def scale(self, parallelism: int) -> None:
        if not progress(self.conn, self.job).status.finished:
            controls.scale_job(self.conn, job_id=self.job.job_id, parallelism=parallelism)
            wanted = {job.job_id: job.parallelism for job in jobs.list_running_jobs(self.conn)}
            assert self.paused or wanted[self.job.job_id] == min(parallelism, self.count)

    @rule(paused=st.sampled_from([True, False, False]))
    def pause_or_resume(self, *, paused: bool) -> None:
        if not progress(self.conn, self.job).status.finished:
            (controls.pause_job if paused else controls.resume_job)(
                self.conn, job_id=self.job.job_id
            )
            self.paused = paused

    @precondition(lambda self: len(self.seen) > 3)
    @rule(really=st.integers(0, 4))
    def cancel(self, really: int) -> None:
        if really or progress(self.conn, self.job).status.finished:
            return
        jobs.cancel_job(self.conn, job_id=self.job.job_id)

    @invariant()
    def everything_adds_up(self) -> None:
        recount.check(self.conn, self.job)

    @invariant()
    def what_has_ended_stays_ended(self) -> None:
        now = states(self.conn, self.job)
        for datum_id, status in self.ended.items():
            assert now[datum_id] is status
        self.ended = {key: status for key, status in now.items() if status in TERMINAL}

    @invariant()
    def only_running_or_done_datums_have_files(self) -> None:
        orphans = self.conn.execute(
            """
            select f.uri from falconeri.output_files f
            join falconeri.datum_states d using (job_no, seq)
            where f.job_no = %s and d.status not in ('running', 'done')
            """,
            (self.job.job_no,),
        ).fetchall()
        assert orphans == []


def hand_out(
    conn: psycopg.Connection, job: NewJobKey, pods_slots: Iterable[tuple[str, int]]
) -> list[WorkAnswer]:
    """What the hub is told for pods that wait, up to the first that gets nothing."""
    pods, slots = zip(*pods_slots, strict=True)
    with conn.cursor(row_factory=record(Work)) as cursor:
        cursor.execute(
            """
            select verdict, datum_id, attempt, inputs
            from falconeri.claim_datums(%s, %s::text[], %s::text[], %s::smallint[])
            """,
            (job.job_id, list(pods), ["n"] * len(pods), list(slots)),
        )
        return [work.answer() for work in cursor]


def states(conn: psycopg.Connection, job: NewJobKey) -> dict[UUID, DatumStatus]:
    """The status of each datum."""
    rows = conn.execute(
        "select id, status::text from falconeri.datum_states where job_no = %s", (job.job_no,)
    )
    return {row[0]: DatumStatus(row[1]) for row in rows}


def test_no_history_of_a_job_breaks_the_rules(connect: Connect) -> None:
    JobHistory.conn = connect()

    run_state_machine_as_test(  # pyright: ignore[reportUnknownMemberType]
        JobHistory,
        settings=settings(
            max_examples=40,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
