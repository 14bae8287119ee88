"""Dead pods and live ones at the same datums at the same time."""

from uuid import UUID

import psycopg
import pytest

from falconeri.db import jobs, workers
from falconeri.db.jobs import NewJobKey
from falconeri.errors import ClaimLost
from falconeri.states import FailureClass, JobStatus
from falconeri.wire.work import Claim, Held
from tests.conftest import Connect
from tests.sql import recount
from tests.sql.factories import (
    claim,
    complete,
    failed,
    lose,
    make_job,
    progress,
    refused,
    set_now,
)
from tests.sql.interleaving import blocked


def test_completion_first_then_only_the_next_datum_is_lost(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_job(conn, 3)
    held = claim(conn, job)
    other = connect()
    other.execute("begin")
    complete(other, held, claim_next=True)
    with blocked(conn, lambda: lose(conn, job)) as lost:
        other.execute("commit")

    assert lost.result() == 1
    found = progress(conn, job)
    assert (found.done, found.ready, found.failed_attempts) == (1, 2, 1)
    recount.check(conn, job)


def test_loss_first_then_the_completion_is_refused(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_job(conn, 3)
    held = claim(conn, job)
    other = connect()
    other.execute("begin")
    assert lose(other, job) == 1
    with blocked(conn, lambda: complete(conn, held, claim_next=True)) as completed:
        other.execute("commit")

    with refused(ClaimLost):
        completed.result()
    found = progress(conn, job)
    assert (found.done, found.ready, found.failed_attempts) == (0, 3, 1)
    recount.check(conn, job)


def test_last_request_of_a_dead_pod_can_be_given_back(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_job(conn, 2)
    complete(conn, claim(conn, job, leased=False))
    other = connect()
    other.execute("begin")
    assert lose(other, job) == 0
    claim(conn, job, leased=False)  # under way when the pod died; sees it alive still
    other.execute("commit")

    assert lose(conn, job) == 1
    assert progress(conn, job).ready == 1
    recount.check(conn, job)


def test_loss_of_many_slots_takes_all_claims_before_any_shard(
    conn: psycopg.Connection, connect: Connect
) -> None:
    # More than PL/pgSQL fetches at once for a loop.
    job = make_job(conn, 40)
    held = [claim(conn, job, slot=slot) for slot in range(15)]
    other = connect()
    other.execute("begin")
    other.execute("select from falconeri.claims where slot = 14 for update")
    with blocked(conn, lambda: lose(conn, job)) as lost:
        complete(other, held[14])  # needs the shard
        other.execute("commit")

    assert lost.result() == 14
    assert progress(conn, job).done == 1
    recount.check(conn, job)


def show_life(conn: psycopg.Connection, job: NewJobKey, held: Claim) -> list[UUID]:
    """A heartbeat of pod-1; what it is told to have lost."""
    answer = workers.extend_leases(
        conn, job_id=job.job_id, pod_name="pod-1", held=[Held(held.datum_id, held.attempt)]
    )
    return answer.lost


def test_sign_of_life_during_an_expiry_saves_nothing_and_the_next_one_says_so(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_job(conn, 2)
    held = claim(conn, job)
    other, pod = connect(), connect()
    for each in (conn, pod):
        set_now(each, in_s=61)
    pod.execute("set lock_timeout = '1s'")
    other.execute("begin")
    other.execute("select from falconeri.shards for no key update")
    with blocked(conn, lambda: workers.requeue_expired(conn, limit=9).lost) as expired:
        assert show_life(pod, job, held) == [], "it waits for nobody, and knows nothing yet"
        other.execute("commit")

    assert expired.result() == 1
    assert show_life(pod, job, held) == [held.datum_id]
    with refused(ClaimLost):
        complete(pod, held)
    recount.check(conn, job)


@pytest.mark.parametrize("seen", [False, True], ids=["under way", "over"])
def test_expiry_goes_by_the_signs_of_life_that_are_over_and_waits_for_none(
    conn: psycopg.Connection, connect: Connect, *, seen: bool
) -> None:
    job = make_job(conn, 2)
    held = claim(conn, job)
    pod = connect()
    for each in (conn, pod):
        set_now(each, in_s=61)
    conn.execute("set lock_timeout = '1s'")
    pod.execute("begin")
    assert show_life(pod, job, held) == []
    if seen:
        pod.execute("commit")

    assert workers.requeue_expired(conn, limit=9).lost == (0 if seen else 1)

    pod.execute("commit")
    assert show_life(pod, job, held) == ([] if seen else [held.datum_id])
    recount.check(conn, job)


def test_expiry_while_the_job_is_canceled_leaves_it_alone_and_serves_the_others(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job, healthy = make_job(conn, 2), make_job(conn, 2)
    claim(conn, job)
    claim(conn, healthy)
    other = connect()
    set_now(conn, in_s=61)
    other.execute("begin")
    jobs.cancel_job(other, job_id=job.job_id)
    with blocked(conn, lambda: workers.requeue_expired(conn, limit=9).lost) as expired:
        other.execute("commit")

    assert expired.result() == 1
    assert progress(conn, job).canceled == 2
    assert progress(conn, healthy).ready == 2
    recount.check(conn, job)
    recount.check(conn, healthy)


def test_loss_while_the_job_is_canceled_leaves_it_alone(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_job(conn, 2)
    claim(conn, job)
    other = connect()
    other.execute("begin")
    jobs.cancel_job(other, job_id=job.job_id)
    with blocked(conn, lambda: lose(conn, job)) as lost:
        other.execute("commit")

    assert lost.result() == 0
    recount.check(conn, job)


def test_cancel_waits_for_a_loss_and_cancels_what_it_gave_back(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_job(conn, 4, shards=2)
    for slot in range(3):
        claim(conn, job, slot=slot)
    other = connect()
    other.execute("begin")
    assert lose(other, job) == 3
    with blocked(conn, lambda: jobs.cancel_job(conn, job_id=job.job_id)) as canceled:
        other.execute("commit")

    canceled.result()
    assert progress(conn, job).canceled == 4
    recount.check(conn, job)


def test_loss_of_the_last_datums_ends_the_job(conn: psycopg.Connection) -> None:
    job = make_job(conn, 4, shards=2, max_losses=1)
    for slot in range(4):
        claim(conn, job, slot=slot)

    assert lose(conn, job) == 4

    found = progress(conn, job)
    assert (found.status, found.error) == (JobStatus.ERROR, 4)
    recount.check(conn, job)


def test_two_dead_pods_in_the_same_shards_do_not_deadlock(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_job(conn, 4, shards=2, max_losses=1)
    for pod, slots in (("pod-1", (0, 1)), ("pod-2", (0, 1))):
        for slot in slots:
            claim(conn, job, pod, slot=slot)
    other = connect()
    other.execute("begin")
    assert lose(other, job, "pod-1") == 2
    with blocked(conn, lambda: lose(conn, job, "pod-2")) as second:
        other.execute("commit")

    assert second.result() == 2
    assert progress(conn, job).error == 4
    recount.check(conn, job)


def test_loss_that_ends_groups_waits_for_the_jobs_row_only_when_it_has_all_groups(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_job(conn, 2, shards=2, max_losses=1)
    for slot in range(2):
        claim(conn, job, slot=slot)
    other = connect()
    other.execute("begin")
    other.execute("select from falconeri.shard_groups where shard_group = 1 for no key update")
    with blocked(conn, lambda: lose(conn, job)) as lost:
        other.execute("update falconeri.jobs set updated_at = updated_at")  # no deadlock
        other.execute("commit")

    assert lost.result() == 2
    assert progress(conn, job).error == 2
    recount.check(conn, job)


def test_groups_are_taken_in_ascending_order(conn: psycopg.Connection, connect: Connect) -> None:
    job = make_job(conn, 2, shards=2)
    for slot in range(2):
        claim(conn, job, slot=slot)
    other = connect()
    other.execute("begin")
    other.execute("select from falconeri.shard_groups where shard_group = 0 for no key update")
    with blocked(conn, lambda: lose(conn, job)):
        other.execute("select from falconeri.shard_groups for no key update nowait")
        other.execute("commit")

    recount.check(conn, job)


@pytest.mark.parametrize(
    "query",
    [
        "requeue_lost(%(job_id)s, 'pod-1', 'evicted', '')",
        "requeue_expired(9)",
        "promote_delayed(9)",
        "cancel_job(%(job_id)s)",
        "pause_job(%(job_id)s)",
        "watch_job(%(job_id)s)",
    ],
)
def test_shards_are_taken_in_ascending_order(
    conn: psycopg.Connection, connect: Connect, query: str
) -> None:
    job = make_job(conn, 8, shards=2)
    held = [claim(conn, job, slot=slot) for slot in range(6)]
    for each in (held[0], held[-1]):  # in different shards, as those still held are
        complete(conn, each, report=failed(FailureClass.STORAGE))
    set_now(conn, in_s=3600)
    # Else they come in order by chance. Now shard 0 is the last row, and rows are read as they lie.
    conn.execute("create index backwards on falconeri.shards (shard desc)")
    conn.execute("cluster falconeri.shards using backwards")
    for plan in ("indexscan", "bitmapscan", "nestloop"):
        conn.execute(f"set enable_{plan} = off".encode())
    other, third = connect(), connect()
    other.execute("begin")
    other.execute("select from falconeri.shards where shard = 0 for update")
    with blocked(
        conn, lambda: conn.execute(b"select falconeri." + query.encode(), {"job_id": job.job_id})
    ) as call:
        third.execute("select from falconeri.shards where shard = 1 for update nowait")
        other.execute("commit")

    assert call.exception() is None
    recount.check(conn, job)
