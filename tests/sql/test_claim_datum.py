from uuid import uuid4

import psycopg
import pytest

from falconeri.db import controls, datums, jobs, workers
from falconeri.db.jobs import NewJobKey
from falconeri.errors import JobNotFound
from falconeri.states import DatumStatus, FailureClass, Verdict
from tests.conftest import Connect
from tests.sql import recount
from tests.sql.factories import (
    ask,
    claim,
    complete,
    datum,
    datum_id,
    failed,
    make_job,
    progress,
    refused,
    value,
)
from tests.sql.interleaving import blocked


def test_claim_hands_out_the_datums_in_order(conn: psycopg.Connection) -> None:
    job = make_job(conn, 3)

    held = [claim(conn, job, f"pod-{i}") for i in range(3)]

    assert [h.datum_id for h in held] == [datum_id(conn, job, i) for i in (1, 2, 3)]
    assert [h.attempt for h in held] == [1, 1, 1]
    found = datum(conn, held[0].datum_id)
    assert found.status is DatumStatus.RUNNING
    assert (found.pod_name, found.node_name) == ("pod-0", "node-1")
    assert found.attempted_run_count == 1


def test_claim_of_a_pod_that_holds_a_datum_gets_it_again(conn: psycopg.Connection) -> None:
    job = make_job(conn, 3)
    held = claim(conn, job)

    assert claim(conn, job) == held
    found = progress(conn, job)
    assert (found.ready, found.running) == (2, 1)


def test_each_slot_of_a_pod_holds_a_datum_of_its_own(conn: psycopg.Connection) -> None:
    job = make_job(conn, 3)
    first, second = claim(conn, job, slot=0), claim(conn, job, slot=1)

    assert first.datum_id != second.datum_id
    assert claim(conn, job, slot=1) == second


def test_claim_finds_nothing_while_others_hold_all(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)
    claim(conn, job)

    assert ask(conn, job, "pod-2").verdict is Verdict.EMPTY


def test_claim_goes_on_to_shards_before_and_after_its_own(conn: psycopg.Connection) -> None:
    job = make_job(conn, 4, shards=4)

    held = {claim(conn, job, slot=i).datum_id for i in range(4)}

    assert len(held) == 4
    assert ask(conn, job, slot=4).verdict is Verdict.EMPTY


def test_workers_begin_in_shards_where_nobody_is_at_work(conn: psycopg.Connection) -> None:
    job = make_job(conn, 12, shards=3)

    for pod in ("a", "b", "c"):
        claim(conn, job, pod)

    running = "select running from falconeri.shards where job_no = %s order by shard"
    assert conn.execute(running, (job.job_no,)).fetchall() == [(1,), (1,), (1,)]


def test_worker_goes_on_where_the_fewest_are_at_work(conn: psycopg.Connection) -> None:
    job = make_job(conn, 12, shards=3)
    first = claim(conn, job, "first")  # of the datums 1 to 4
    for pod in ("one of 5 to 8", "one of 9 to 12", "another of 1 to 4", "another of 5 to 8"):
        claim(conn, job, pod)
    third = complete(conn, first, "first", claim_next=True).claim
    assert third
    fourth = complete(conn, third, "first", claim_next=True).claim
    assert fourth

    following = complete(conn, fourth, "first", claim_next=True).claim

    assert following
    assert following.datum_id == datum_id(conn, job, 10)


def test_worker_goes_on_where_nobody_is_at_work_and_something_is_left(
    conn: psycopg.Connection,
) -> None:
    job = make_job(conn, 4, shards=4)
    first, second = claim(conn, job, "first"), claim(conn, job, "second")
    complete(conn, second, "second")

    third = complete(conn, first, "first", claim_next=True).claim

    assert third
    assert third.datum_id == datum_id(conn, job, 3)


def test_worker_goes_on_behind_its_own_shard_not_before(conn: psycopg.Connection) -> None:
    job = make_job(conn, 8, shards=4)
    pods = [f"of shard {shard}" for shard in range(3)]
    first, _, third = [claim(conn, job, pod) for pod in pods]
    complete(conn, first, pods[0])  # there is nobody now, and something left
    last = complete(conn, third, pods[2], claim_next=True).claim
    assert last

    following = complete(conn, last, pods[2], claim_next=True).claim

    assert following
    assert following.datum_id == datum_id(conn, job, 7)


def test_worker_that_comes_back_gets_a_datum_of_its_own_job(conn: psycopg.Connection) -> None:
    older, job = make_job(conn, 4), make_job(conn, 4)
    for each in (older, job):
        complete(conn, claim(conn, each, "same"), "same")

    assert claim(conn, job, "same").datum_id == datum_id(conn, job, 2)


def test_failed_datum_comes_before_fresh_ones_for_a_new_worker(conn: psycopg.Connection) -> None:
    job = make_job(conn, 3)
    held = claim(conn, job)
    complete(conn, held, report=failed())

    again = claim(conn, job, "pod-2")

    assert (again.datum_id, again.attempt) == (held.datum_id, 2)


def test_claim_of_an_ended_job_is_told_so(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)
    complete(conn, claim(conn, job))

    assert ask(conn, job).verdict is Verdict.ENDED
    assert ask(conn, job, "pod-2").verdict is Verdict.ENDED


def test_claim_of_a_canceled_job_does_not_get_its_old_datum_again(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2)
    claim(conn, job)
    jobs.cancel_job(conn, job_id=job.job_id)

    assert ask(conn, job).verdict is Verdict.ENDED


def test_claim_of_an_unknown_job_is_refused(conn: psycopg.Connection) -> None:
    with refused(JobNotFound):
        datums.claim_datum(conn, job_id=uuid4(), pod_name="p", node_name="n", leased=True)


def test_claim_skips_a_locked_shard(conn: psycopg.Connection, connect: Connect) -> None:
    job = make_job(conn, 4, shards=2)
    other = connect()
    with other.transaction():
        first = claim(other, job, "pod-2")
        beside = claim(conn, job, "pod-4")  # would begin in the same shard

    shards = conn.execute("select shard from falconeri.claims where seq is not null").fetchall()
    assert len(set(shards)) == 2
    assert first.datum_id != beside.datum_id


def test_claim_says_busy_while_all_work_is_behind_locks(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_job(conn, 2)
    other = connect()
    with other.transaction():
        claim(other, job, "pod-2")
        assert ask(conn, job).verdict is Verdict.BUSY

    assert ask(conn, job).verdict is Verdict.CLAIMED


@pytest.mark.parametrize("kind", ["fresh", "failed"])
@pytest.mark.parametrize("shard", [0, 1])
@pytest.mark.parametrize("first", [0, 1])
def test_only_ready_datum_is_found_in_any_shard_and_busy_while_it_is_locked(
    conn: psycopg.Connection, connect: Connect, kind: str, shard: int, first: int
) -> None:
    job = make_job(conn, 2, shards=2)
    begin_in(conn, job, 1 - shard, "pod-2")
    claim(conn, job, "pod-2")
    if kind == "failed":
        complete(conn, claim(conn, job, "pod-3"), "pod-3", failed())
    begin_in(conn, job, first)
    other = connect()
    with other.transaction():
        other.execute("select from falconeri.shards where shard = %s for update", (shard,))
        assert ask(conn, job).verdict is Verdict.BUSY

    assert claim(conn, job).datum_id == datum_id(conn, job, shard + 1)
    recount.check(conn, job)


def begin_in(conn: psycopg.Connection, job: NewJobKey, shard: int, pod: str = "pod-1") -> None:
    """Let a pod look into this shard first."""
    controls.pause_job(conn, job_id=job.job_id)
    assert ask(conn, job, pod).verdict is Verdict.EMPTY
    controls.resume_job(conn, job_id=job.job_id)
    conn.execute(
        "update falconeri.claims set shard = %s where job_no = %s and pod_name = %s",
        (shard, job.job_no, pod),
    )


def test_failed_datums_are_tried_again_in_order_each_from_its_own_shard(
    conn: psycopg.Connection,
) -> None:
    job, other = make_job(conn, 4, shards=2), make_job(conn, 4, shards=2)
    for each in (job, other):
        for held in [claim(conn, each, slot=slot) for slot in range(4)]:
            complete(conn, held, report=failed())

    for shard, pods in ((1, ("pod-2", "pod-3")), (0, ("pod-4", "pod-5"))):
        for pod in pods:
            begin_in(conn, job, shard, pod)
    again = [claim(conn, job, f"pod-{i}").datum_id for i in range(2, 6)]

    assert again == [datum_id(conn, job, i) for i in (3, 4, 1, 2)]
    assert progress(conn, other).ready == 4
    recount.check(conn, job, other)


def test_datum_that_waits_is_passed_over_for_one_that_is_ready(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2)
    waiting, ready = claim(conn, job, "pod-1"), claim(conn, job, "pod-2")
    complete(conn, waiting, "pod-1", failed(FailureClass.STORAGE))
    complete(conn, ready, "pod-2", failed())

    assert claim(conn, job, "pod-3").datum_id == ready.datum_id
    assert ask(conn, job, "pod-4").verdict is Verdict.EMPTY


def test_other_jobs_work_makes_nobody_busy_nor_does_its_end(conn: psycopg.Connection) -> None:
    make_job(conn, 1)
    make_job(conn, 0)
    job = make_job(conn, 1)
    make_job(conn, 1)
    make_job(conn, 0)
    claim(conn, job)

    assert ask(conn, job, "pod-2").verdict is Verdict.EMPTY


def test_claim_does_not_call_a_shard_without_work_busy(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_job(conn, 1)
    claim(conn, job, "pod-2")
    other = connect()
    with other.transaction():
        other.execute("select from falconeri.shards for update")
        assert ask(conn, job).verdict is Verdict.EMPTY


def test_two_requests_of_one_pod_at_once_get_one_datum(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_job(conn, 3)
    claim(conn, job, "pod-2")  # the pod's row is not what is contended
    other = connect()
    other.execute("begin")
    first = claim(other, job)
    with blocked(conn, lambda: claim(conn, job)) as second:
        other.execute("commit")

    assert second.result() == first
    recount.check(conn, job)


def test_worker_of_one_slot_is_registered_once_by_two_first_requests(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_job(conn, 3)
    other = connect()
    other.execute("begin")
    first = claim(other, job)
    with blocked(conn, lambda: claim(conn, job)) as second:
        other.execute("commit")

    assert second.result() == first
    assert value(conn, "select count(*) from falconeri.workers") == 1


def test_two_first_requests_for_a_slot_of_a_known_pod_make_one_and_lock_it(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_job(conn, 3)
    workers.register_worker(conn, job_id=job.job_id, pod_name="pod-1", node_name="n")
    other, third = connect(), connect()
    other.execute("begin")
    first = claim(other, job)
    conn.execute("begin")
    with blocked(conn, lambda: claim(conn, job)) as second:
        other.execute("commit")

    assert second.result() == first
    unlocked = third.execute("select from falconeri.claims for update skip locked").fetchall()
    assert unlocked == []
    conn.execute("commit")


@pytest.mark.parametrize("count", [1, 5])
def test_every_datum_is_handed_out_exactly_once(conn: psycopg.Connection, count: int) -> None:
    job = make_job(conn, count, shards=min(count, 3))
    answers = [ask(conn, job, f"pod-{i}") for i in range(count + 1)]

    held = {answer.claim.datum_id for answer in answers if answer.claim}
    assert len(held) == count
    assert answers[-1].verdict is Verdict.EMPTY


def test_used_up_shard_whose_datum_waits_for_its_time_gives_nothing(
    conn: psycopg.Connection,
) -> None:
    job = make_job(conn, 2, shards=2, retry_delay_s=3600)
    held, other = claim(conn, job), claim(conn, job, "pod-2")
    complete(conn, other, "pod-2", failed())

    assert complete(conn, held, claim_next=True).verdict is Verdict.EMPTY
    assert ask(conn, job, "pod-2").verdict is Verdict.EMPTY


def test_claim_overtaken_by_a_cancel_gets_nothing(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_job(conn, 3)
    complete(conn, claim(conn, job))
    other = connect()
    other.execute("begin")
    other.execute("select from falconeri.claims for update")
    with blocked(conn, lambda: ask(conn, job)) as asked:  # has seen that the job runs
        jobs.cancel_job(connect(), job_id=job.job_id)
        other.execute("commit")

    assert asked.result().verdict is Verdict.ENDED
    recount.check(conn, job)


def test_pod_thought_dead_is_alive_again_when_it_asks(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2)
    claim(conn, job)
    conn.execute(
        "select falconeri.requeue_lost(%s, 'pod-1', %s, 'gone')",
        (job.job_id, FailureClass.EVICTED),
    )
    assert value(conn, "select count(*) from falconeri.workers where ended_at is null") == 0

    assert claim(conn, job).attempt == 2
    assert value(conn, "select count(*) from falconeri.workers where ended_at is null") == 1
