"""Workers: registered, heard of, given up."""

from uuid import uuid4

import psycopg
import pytest

from falconeri.db import jobs, workers
from falconeri.errors import JobNotFound
from falconeri.states import DatumStatus, FailureClass, JobStatus
from falconeri.wire.work import Held
from tests.conftest import Connect
from tests.sql import recount
from tests.sql.factories import (
    claim,
    complete,
    datum,
    make_job,
    progress,
    refused,
    set_clock,
    set_now,
    value,
)
from tests.sql.interleaving import blocked


def test_registration_tells_a_worker_its_job(conn: psycopg.Connection) -> None:
    job = make_job(conn, lease_s=45)

    order = workers.register_worker(conn, job_id=job.job_id, pod_name="p", node_name="n")

    assert (order.job_id, order.status) == (job.job_id, JobStatus.RUNNING)
    assert (order.command, order.egress_uri) == (["sh", "-c", "true"], "s3://out/")
    assert order.lease_s == 45


def test_registration_may_be_repeated(conn: psycopg.Connection) -> None:
    job = make_job(conn)
    for _ in range(2):
        workers.register_worker(conn, job_id=job.job_id, pod_name="p", node_name="n")

    assert value(conn, "select count(*) from falconeri.workers") == 1


def test_registration_in_an_ended_job_tells_so_and_leaves_no_trace(
    conn: psycopg.Connection,
) -> None:
    job = make_job(conn, 0)

    order = workers.register_worker(conn, job_id=job.job_id, pod_name="p", node_name="n")

    assert order.status is JobStatus.DONE
    assert value(conn, "select count(*) from falconeri.workers") == 0


def test_unknown_job_is_refused(conn: psycopg.Connection) -> None:
    with refused(JobNotFound):
        workers.register_worker(conn, job_id=uuid4(), pod_name="p", node_name="n")
    with refused(JobNotFound):
        workers.extend_leases(conn, job_id=uuid4(), pod_name="p", held=[])
    with refused(JobNotFound):
        workers.requeue_lost(
            conn, job_id=uuid4(), pod_name="p", failure_class=FailureClass.EVICTED, message=""
        )


def test_claim_without_a_sign_of_life_expires(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1, lease_s=60)
    held = claim(conn, job)
    set_now(conn, in_s=59)
    assert workers.requeue_expired(conn, limit=9).lost == 0

    set_now(conn, in_s=61)

    assert workers.requeue_expired(conn, limit=9).lost == 1
    assert datum(conn, held.datum_id).status is DatumStatus.READY
    lost = value(conn, "select failure_class from falconeri.attempts")
    assert lost == FailureClass.LOST_WORKER
    assert workers.requeue_expired(conn, limit=9).lost == 0
    recount.check(conn, job)


def test_sign_of_life_extends_the_lease(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1, lease_s=60)
    held = claim(conn, job)
    set_now(conn, in_s=50)
    answer = workers.extend_leases(
        conn, job_id=job.job_id, pod_name="pod-1", held=[Held(held.datum_id, held.attempt)]
    )
    assert (answer.job_status, answer.lost) == (JobStatus.RUNNING, [])

    set_now(conn, in_s=109)
    assert workers.requeue_expired(conn, limit=9).lost == 0
    set_now(conn, in_s=112)
    assert workers.requeue_expired(conn, limit=9).lost == 1


def test_lease_lasts_to_the_second_from_the_last_sign_of_life(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1, lease_s=60)
    set_clock(conn, "00:00:00")
    claim(conn, job)
    for time in ("00:00:20", "00:00:40"):
        set_clock(conn, time)
        workers.extend_leases(conn, job_id=job.job_id, pod_name="pod-1", held=[])

    set_clock(conn, "00:01:40")
    assert workers.requeue_expired(conn, limit=9).lost == 0
    set_clock(conn, "00:01:40.001")
    assert workers.requeue_expired(conn, limit=9).lost == 1


def test_restart_of_the_database_counts_as_a_sign_of_life(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1, lease_s=10**8)
    set_now(conn, in_s=-(10.0**9))
    claim(conn, job)
    conn.execute("reset falconeri.now")
    conn.execute("delete from falconeri.heartbeats")  # as a crash does

    assert workers.requeue_expired(conn, limit=9).lost == 0


def test_what_ended_jobs_have_left_is_given_back_by_nobody(conn: psycopg.Connection) -> None:
    ended, job = make_job(conn, 3), make_job(conn, 1)
    for slot in range(3):
        claim(conn, ended, slot=slot)
    claim(conn, job)
    jobs.cancel_job(conn, job_id=ended.job_id)
    set_now(conn, in_s=61)

    looks = [workers.requeue_expired(conn, limit=1) for _ in range(3)]

    assert [each.looked for each in looks] == [1, 1, 0]
    assert sorted(each.lost for each in looks) == [0, 0, 1]


def test_other_pods_sign_of_life_extends_nothing(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2)
    claim(conn, job, "pod-1")
    claim(conn, job, "pod-2")
    set_now(conn, in_s=50)
    workers.extend_leases(conn, job_id=job.job_id, pod_name="pod-2", held=[])
    set_now(conn, in_s=70)

    assert workers.requeue_expired(conn, limit=9).lost == 1
    assert [h.pod_name for h in workers.list_holders(conn)] == ["pod-2"]


def test_worker_that_sends_no_heartbeats_does_not_expire(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)
    claim(conn, job, leased=False)
    set_now(conn, in_s=100_000)

    assert workers.requeue_expired(conn, limit=9).lost == 0


def test_limit_leaves_the_rest_for_the_next_call(conn: psycopg.Connection) -> None:
    job = make_job(conn, 3, shards=3)
    for i in range(3):
        claim(conn, job, f"pod-{i}")
    set_now(conn, in_s=61)

    looks = [workers.requeue_expired(conn, limit=2) for _ in range(3)]

    assert [(each.looked, each.lost) for each in looks] == [(2, 2), (1, 1), (0, 0)]
    recount.check(conn, job)


def test_heartbeat_names_the_attempts_that_are_lost(conn: psycopg.Connection) -> None:
    job, other_job = make_job(conn, 3), make_job(conn, 1)
    mine, another = claim(conn, job), claim(conn, job, "pod-2")
    elsewhere = claim(conn, other_job)  # the same number and attempt, in another job

    answer = workers.extend_leases(
        conn,
        job_id=job.job_id,
        pod_name="pod-1",
        held=[
            Held(mine.datum_id, 1),
            Held(mine.datum_id, 2),
            Held(another.datum_id, 1),
            Held(elsewhere.datum_id, 1),
        ],
    )

    assert answer.lost == [mine.datum_id, another.datum_id, elsewhere.datum_id]


def test_heartbeat_in_an_ended_job_loses_all(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2)
    held = claim(conn, job)
    jobs.cancel_job(conn, job_id=job.job_id)

    answer = workers.extend_leases(
        conn, job_id=job.job_id, pod_name="pod-1", held=[Held(held.datum_id, 1)]
    )

    assert (answer.job_status, answer.lost) == (JobStatus.CANCELED, [held.datum_id])


def test_heartbeat_of_an_unknown_pod_does_nothing(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)

    workers.extend_leases(conn, job_id=job.job_id, pod_name="nobody", held=[])

    assert value(conn, "select count(*) from falconeri.heartbeats") == 0


def test_holders_are_the_pods_with_datums_of_running_jobs(conn: psycopg.Connection) -> None:
    job, ended = make_job(conn, 3), make_job(conn, 2)
    claim(conn, job, "pod-1")
    claim(conn, job, "pod-1", slot=1)
    complete(conn, claim(conn, job, "pod-2"), "pod-2")
    claim(conn, ended, "pod-3")
    jobs.cancel_job(conn, job_id=ended.job_id)

    assert [(h.job_id, h.pod_name) for h in workers.list_holders(conn)] == [(job.job_id, "pod-1")]


def test_holder_is_as_old_as_what_it_has_held_longest(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2)
    for slot, time in enumerate(("00:00:00", "00:00:10")):
        set_clock(conn, time)
        claim(conn, job, slot=slot)

    set_clock(conn, "00:00:15")

    assert [holder.held_s for holder in workers.list_holders(conn)] == [15]


@pytest.mark.parametrize("leased", [True, False])
def test_latest_request_says_whether_a_pod_sends_heartbeats(
    conn: psycopg.Connection, *, leased: bool
) -> None:
    job = make_job(conn, 1)
    claim(conn, job, leased=not leased)
    claim(conn, job, leased=leased)
    set_now(conn, in_s=61)

    assert workers.requeue_expired(conn, limit=9).lost == leased


def test_pod_that_registers_will_send_heartbeats(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)
    claim(conn, job, leased=False)
    workers.register_worker(conn, job_id=job.job_id, pod_name="pod-1", node_name="n")
    set_now(conn, in_s=61)

    assert workers.requeue_expired(conn, limit=9).lost == 1


def test_first_cause_of_death_stays_until_the_pod_is_alive_again(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)
    claim(conn, job)
    end = "select ended_at, end_class, end_message from falconeri.workers"
    for time, cause, message in (
        ("00:00:01", FailureClass.EVICTED, "drained"),
        ("00:00:02", FailureClass.LOST_WORKER, "gone"),
    ):
        set_clock(conn, time)
        workers.requeue_lost(
            conn, job_id=job.job_id, pod_name="pod-1", failure_class=cause, message=message
        )
    died_at, *cause = conn.execute(end).fetchall()[0]
    assert (f"{died_at:%S}", cause) == ("01", ["evicted", "drained"])
    attempt = "select failure_class, error_message from falconeri.attempts"
    assert conn.execute(attempt).fetchall() == [("evicted", "drained")]

    claim(conn, job)

    assert conn.execute(end).fetchall() == [(None, None, None)]


def test_running_jobs_want_no_more_workers_than_datums(conn: psycopg.Connection) -> None:
    few = make_job(conn, 2, parallelism=5)
    many = make_job(conn, 9, parallelism=5)
    make_job(conn, 0)

    found = jobs.list_running_jobs(conn)

    assert [(j.job_id, j.parallelism) for j in found] == [(few.job_id, 2), (many.job_id, 5)]


def test_unknown_pod_has_lost_nothing(conn: psycopg.Connection) -> None:
    job = make_job(conn)

    assert _lose(conn, job.job_id) == 0


def test_pod_loses_all_its_slots_once(conn: psycopg.Connection) -> None:
    job = make_job(conn, 5, shards=3)
    for slot in range(4):
        claim(conn, job, slot=slot)
    claim(conn, job, "pod-2")

    assert _lose(conn, job.job_id) == 4
    assert _lose(conn, job.job_id) == 0
    assert progress(conn, job).running == 1
    recount.check(conn, job)


def test_pod_of_an_ended_job_has_lost_nothing(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2)
    claim(conn, job)
    jobs.cancel_job(conn, job_id=job.job_id)

    assert _lose(conn, job.job_id) == 0
    recount.check(conn, job)


def test_two_babysitters_share_expired_claims(conn: psycopg.Connection, connect: Connect) -> None:
    job = make_job(conn, 4, shards=2)
    for i in range(4):
        claim(conn, job, f"pod-{i}")
    other = connect()
    set_now(conn, in_s=61)
    set_now(other, in_s=61)
    other.execute("begin")
    assert workers.requeue_expired(other, limit=2).lost == 2
    with blocked(conn, lambda: workers.requeue_expired(conn, limit=9).lost) as rest:
        other.execute("commit")

    assert rest.result() == 2
    recount.check(conn, job)


def _lose(conn: psycopg.Connection, job_id: object) -> int:
    query = "select falconeri.requeue_lost(%s, 'pod-1', 'evicted', 'gone')"
    return value(conn, query, job_id)


@pytest.mark.parametrize("first", ["expired", "lost"])
def test_what_is_given_back_once_is_not_given_back_twice(
    conn: psycopg.Connection, connect: Connect, first: str
) -> None:
    job = make_job(conn, 2)
    claim(conn, job)
    other = connect()
    set_now(conn, in_s=61)
    set_now(other, in_s=61)
    other.execute("begin")
    if first == "lost":
        assert _lose(other, job.job_id) == 1
        assert workers.requeue_expired(conn, limit=9).lost == 0  # its claim is locked: skipped
        other.execute("commit")
    else:
        assert workers.requeue_expired(other, limit=9).lost == 1
        with blocked(conn, lambda: _lose(conn, job.job_id)) as second:
            other.execute("commit")
        assert second.result() == 0
    recount.check(conn, job)
