"""A ladder of memory: what ran out of it is tried with more, and everything else stays as it is."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from falconeri.db import datums, jobs, rungs, workers
from falconeri.db.jobs import NewJobKey
from falconeri.errors import InvalidInput
from falconeri.states import DatumStatus, FailureClass, JobStatus, Verdict
from falconeri.wire.work import Claim
from tests.conftest import Connect
from tests.sql import recount
from tests.sql.factories import (
    ask,
    claim,
    complete,
    datum,
    deferred,
    failed,
    lose,
    make_job,
    progress,
    refused,
    set_clock,
)
from tests.sql.interleaving import notified

LADDER = ("1Gi", "2Gi", "4Gi")
HUNGRY = failed(FailureClass.OUT_OF_MEMORY)


def make(conn: psycopg.Connection, count: int = 1, **options: Any) -> NewJobKey:  # noqa: ANN401 - as make_job's
    """A job with a ladder, and a worker on each rung above the lowest: `big` and `huge`."""
    job = make_job(conn, count, memory=LADDER, **options)
    for rung, pod in enumerate(("big", "huge"), start=1):
        join(conn, job, pod, rung)
    return job


def join(conn: psycopg.Connection, job: NewJobKey, pod: str, rung: int) -> None:
    workers.register_worker(conn, job_id=job.job_id, pod_name=pod, node_name="n", rung=rung)


def starve(conn: psycopg.Connection, job: NewJobKey, pod: str = "pod-1") -> Claim:
    """A datum that a pod had, and that ran out of memory there."""
    held = claim(conn, job, pod)
    complete(conn, held, pod, HUNGRY)
    return held


def needed(conn: psycopg.Connection, job: NewJobKey) -> dict[int, int]:
    """How many workers the rungs of a job should have; those that need none are left out."""
    return {
        sized.rung: sized.workers for sized in rungs.size_rungs(conn) if sized.job_id == job.job_id
    }


def test_out_of_memory_takes_a_datum_up_rung_by_rung_at_no_price(conn: psycopg.Connection) -> None:
    job = make(conn, 1, max_tries=1, max_losses=1)

    for pod in ("pod-1", "big"):
        starve(conn, job, pod)
        recount.check(conn, job)
    held = claim(conn, job, "huge")

    assert complete(conn, held, "huge", claim_next=True).verdict is Verdict.ENDED
    assert held.attempt == 3
    assert progress(conn, job).status is JobStatus.DONE
    assert progress(conn, job).failed_attempts == 2


def test_on_the_topmost_rung_it_uses_up_a_try(conn: psycopg.Connection) -> None:
    job = make(conn, 1, max_tries=2)
    for pod in ("pod-1", "big", "huge"):
        starve(conn, job, pod)
        assert progress(conn, job).ready == 1

    last = starve(conn, job, "huge")

    assert datum(conn, last.datum_id).status is DatumStatus.ERROR
    assert progress(conn, job).status is JobStatus.ERROR
    recount.check(conn, job)


def test_what_was_lost_too_often_on_a_rung_waits_there_no_longer(conn: psycopg.Connection) -> None:
    job = make(conn, 2, max_losses=1)
    starve(conn, job)

    complete(conn, claim(conn, job, "big"), "big", failed(FailureClass.EVICTED))

    assert (progress(conn, job).error, progress(conn, job).ready) == (1, 1)
    recount.check(conn, job)


def test_without_a_ladder_it_uses_up_a_try_and_asks_for_no_workers(
    conn: psycopg.Connection,
) -> None:
    make(conn)  # another one's ladder is nothing to it
    job = make_job(conn, 1, max_tries=2)
    starve(conn, job)
    assert starve(conn, job).attempt == 2

    assert progress(conn, job).status is JobStatus.ERROR
    assert deferred(conn, job) == ["start_workers"]
    assert needed(conn, job) == {}
    assert rungs.list_rungs(conn, job_id=job.job_id) == []


@pytest.mark.parametrize(
    "failure_class", [each for each in FailureClass if each is not FailureClass.OUT_OF_MEMORY]
)
def test_whatever_else_fails_a_datum_it_stays_on_its_rung(
    conn: psycopg.Connection, failure_class: FailureClass
) -> None:
    job = make(conn, 1, max_tries=3)
    starve(conn, job)
    complete(conn, claim(conn, job, "big"), "big", failed(failure_class))
    conn.execute(
        "update falconeri.requeue set ready_at = now() - interval '1 s' where ready_at > now()"
    )
    datums.promote_delayed(conn, limit=9)

    recount.check(conn, job)
    assert ask(conn, job).verdict is Verdict.EMPTY
    assert ask(conn, job, "huge").verdict is Verdict.EMPTY
    assert claim(conn, job, "big").attempt == 3


def test_a_raised_datum_waits_for_its_workers_while_others_go_on(conn: psycopg.Connection) -> None:
    job = make(conn, 3, shards=3)
    starved = starve(conn, job)

    assert ask(conn, job, "huge").verdict is Verdict.EMPTY
    rest = [claim(conn, job, pod).datum_id for pod in ("pod-1", "pod-2")]
    assert starved.datum_id not in rest
    assert ask(conn, job, "pod-3").verdict is Verdict.EMPTY
    assert claim(conn, job, "big").datum_id == starved.datum_id
    recount.check(conn, job)


def test_a_worker_with_more_memory_takes_no_fresh_datum(conn: psycopg.Connection) -> None:
    job = make(conn, 3)
    starve(conn, job)

    answer = complete(conn, claim(conn, job, "big"), "big", claim_next=True)

    assert answer.verdict is Verdict.EMPTY
    assert progress(conn, job).running == 0
    recount.check(conn, job)


def test_after_one_it_gets_the_next_raised_datum_in_the_same_call(conn: psycopg.Connection) -> None:
    job = make(conn, 4, shards=2)
    starved = {starve(conn, job).datum_id for _ in range(2)}
    first = claim(conn, job, "big")

    second = complete(conn, first, "big", claim_next=True).claim

    assert second is not None
    assert {first.datum_id, second.datum_id} == starved
    after_failure = complete(conn, second, "big", failed(), claim_next=True).claim
    assert after_failure is not None
    assert (after_failure.datum_id, after_failure.attempt) == (second.datum_id, 3)


def test_a_worker_with_more_memory_fetches_nothing_ahead(conn: psycopg.Connection) -> None:
    job = make(conn, 3)
    starve(conn, job)
    starve(conn, job)
    held = claim(conn, job, "big")

    assert ask(conn, job, "big", slot=1, ahead=True).verdict is Verdict.EMPTY
    assert complete(conn, held, "big", claim_next=True, ahead=True).verdict is Verdict.EMPTY


def test_a_pod_gets_its_datum_again_on_its_rung(conn: psycopg.Connection) -> None:
    job = make(conn, 2)
    starve(conn, job)
    starve(conn, job)

    assert claim(conn, job, "big") == claim(conn, job, "big")
    recount.check(conn, job)


def test_a_pod_keeps_the_rung_that_it_said_first(conn: psycopg.Connection) -> None:
    job = make(conn, 1)
    claim(conn, job, "pod-1")
    complete(conn, claim(conn, job, "pod-1"), "pod-1", HUNGRY)

    join(conn, job, "pod-1", 1)

    assert ask(conn, job, "pod-1").verdict is Verdict.EMPTY
    assert ask(conn, job, "pod-1", slot=1).verdict is Verdict.EMPTY


def test_a_worker_stays_on_its_rung_whatever_it_says_later(conn: psycopg.Connection) -> None:
    job = make(conn)
    held = starve(conn, job)

    join(conn, job, "big", 0)

    assert claim(conn, job, "big").datum_id == held.datum_id


def test_a_worker_that_was_thought_dead_is_still_on_its_rung(conn: psycopg.Connection) -> None:
    job = make(conn)
    held = starve(conn, job)
    lose(conn, job, "big")

    assert claim(conn, job, "big").datum_id == held.datum_id


def test_the_lowest_workers_pass_over_what_needs_more_memory(conn: psycopg.Connection) -> None:
    job = make(conn, 2, shards=1)
    hungry = starve(conn, job)
    again = claim(conn, job)
    complete(conn, again, report=failed())

    held = claim(conn, job)

    assert (held.datum_id, held.attempt) == (again.datum_id, 2)
    assert claim(conn, job, "big").datum_id == hungry.datum_id


@pytest.mark.parametrize("shards", [1, 2])
def test_a_raised_worker_passes_over_what_needs_even_more(
    conn: psycopg.Connection, shards: int
) -> None:
    job = make(conn, 2, shards=shards)
    starve(conn, job)
    starve(conn, job, "big")
    waiting = starve(conn, job)

    assert claim(conn, job, "big").datum_id == waiting.datum_id


def test_a_raised_worker_passes_over_what_has_to_wait(conn: psycopg.Connection) -> None:
    job = make(conn, 4, shards=2)
    starve(conn, job)
    starve(conn, job, "big")  # so that the first shard has something for others
    starve(conn, job)
    complete(conn, claim(conn, job, "big"), "big", failed(FailureClass.STORAGE))
    waiting = starve(conn, job)

    assert claim(conn, job, "big").datum_id == waiting.datum_id


def test_what_another_job_has_raised_stands_in_nobodys_way(conn: psycopg.Connection) -> None:
    starve(conn, make(conn))
    job = make(conn, 2, shards=2)
    complete(conn, claim(conn, job))
    waiting = starve(conn, job)

    assert claim(conn, job, "big").datum_id == waiting.datum_id


def test_each_slot_of_a_raised_worker_has_a_datum_of_its_own(conn: psycopg.Connection) -> None:
    job = make(conn, 2)
    starve(conn, job)
    starve(conn, job)

    for held in [claim(conn, job, "big", slot=slot) for slot in (0, 1)]:
        complete(conn, held, "big")

    assert progress(conn, job).status is JobStatus.DONE
    recount.check(conn, job)


@pytest.mark.parametrize(("memory", "rung"), [(LADDER, 3), ((), 1)])
def test_a_rung_that_the_job_does_not_have_is_refused(
    conn: psycopg.Connection, memory: tuple[str, ...], rung: int
) -> None:
    make_job(conn, 1, memory=(*LADDER, "8Gi"))  # another job has it
    job = make_job(conn, 1, memory=memory)
    with refused(InvalidInput):
        join(conn, job, "pod-9", rung)


def test_dead_workers_raise_what_they_held_if_they_ran_out_of_memory(
    conn: psycopg.Connection,
) -> None:
    job = make(conn, 2, max_tries=1)
    held = claim(conn, job)

    lose(conn, job, failure_class=FailureClass.OUT_OF_MEMORY, message="OOMKilled")

    assert claim(conn, job, "big").datum_id == held.datum_id
    recount.check(conn, job)


def test_what_a_pod_held_beside_the_hungry_one_is_only_lost(conn: psycopg.Connection) -> None:
    set_clock(conn, "10:00:00")
    job = make(conn, 2, max_tries=1, shards=2)
    longest = claim(conn, job, slot=1)
    set_clock(conn, "10:00:01")
    ahead = claim(conn, job, slot=0)

    lost = lose(conn, job, failure_class=FailureClass.OUT_OF_MEMORY, message="OOMKilled")

    assert lost == 2
    assert claim(conn, job, "big").datum_id == longest.datum_id
    assert claim(conn, job, "pod-2").datum_id == ahead.datum_id
    recount.check(conn, job)


def test_no_delay_comes_before_more_memory(conn: psycopg.Connection) -> None:
    job = make(conn, 1, retry_delay_s=3600)
    starve(conn, job)
    assert claim(conn, job, "big").attempt == 2


def test_a_delayed_datum_of_a_rung_comes_back_to_it(conn: psycopg.Connection) -> None:
    set_clock(conn, "10:00")
    job = make(conn, 2, max_tries=3, retry_delay_s=60)
    starve(conn, job)
    complete(conn, claim(conn, job, "big"), "big", failed())
    complete(conn, claim(conn, job), report=failed())
    recount.check(conn, job)
    assert ask(conn, job, "big").verdict is Verdict.EMPTY
    assert needed(conn, job) == {1: 0}

    set_clock(conn, "11:00")
    assert datums.promote_delayed(conn, limit=9) == 2

    recount.check(conn, job)
    assert claim(conn, job, "big").attempt == 3
    assert claim(conn, job).attempt == 2


def test_a_worker_that_asked_in_vain_is_woken_for_a_raised_datum(connect: Connect) -> None:
    conn, listener = connect(), connect()
    job = make(conn, 1)
    held = claim(conn, job)
    jobs.watch_job(conn, job_id=job.job_id)
    listener.execute("listen falconeri_job")

    complete(conn, held, report=HUNGRY)

    assert notified(listener) == [str(job.job_id)]


def test_a_raised_datum_of_a_locked_shard_is_busy_and_not_waited_for(connect: Connect) -> None:
    one, two = connect(), connect()
    job = make(one, 2)
    starve(one, job)
    with one.transaction():
        one.execute("select from falconeri.shards where job_no = %s for update", (job.job_no,))
        assert ask(two, job, "big").verdict is Verdict.BUSY

    assert claim(two, job, "big").attempt == 2


def test_two_workers_of_a_rung_get_different_datums(connect: Connect) -> None:
    one, two = connect(), connect()
    job = make(one, 2, shards=2)
    starve(one, job)
    starve(one, job)
    join(one, job, "big-2", 1)
    with one.transaction():
        first = claim(one, job, "big")
        second = claim(two, job, "big-2")

    assert first.datum_id != second.datum_id
    recount.check(one, job)


@pytest.mark.parametrize(
    ("pod", "failure_class", "left"),
    [
        ("pod-1", FailureClass.OUT_OF_MEMORY, 2),
        ("pod-1", FailureClass.COMMAND, 1),
        ("pod-1", None, 1),
        ("huge", FailureClass.OUT_OF_MEMORY, 1),
    ],
)
def test_a_failure_that_more_memory_may_cure_is_not_the_last(
    conn: psycopg.Connection, pod: str, failure_class: FailureClass | None, left: int
) -> None:
    job = make(conn, 1, max_tries=1)
    if pod == "huge":
        starve(conn, job)
        starve(conn, job, "big")
    held = claim(conn, job, pod)

    assert (
        datums.count_tries_left(
            conn,
            datum_id=held.datum_id,
            pod_name=pod,
            attempt=held.attempt,
            failure_class=failure_class,
        )
        == left
    )
