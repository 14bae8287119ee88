"""When a worker's leases are looked at: no later than they run out, and not much more often."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from falconeri.db import jobs, workers
from falconeri.db.jobs import NewJobKey
from falconeri.states import FailureClass
from tests.conftest import Connect
from tests.sql import recount
from tests.sql.factories import claim, complete, lose, make_job, set_clock, value


def look(conn: psycopg.Connection, time: str) -> int:
    """What has expired at this time."""
    set_clock(conn, time)
    return workers.requeue_expired(conn, limit=9).lost


def show_life(conn: psycopg.Connection, job: NewJobKey, time: str) -> None:
    set_clock(conn, time)
    workers.extend_leases(conn, job_id=job.job_id, pod_name="pod-1", held=[])


def next_look(conn: psycopg.Connection, pod: str = "pod-1") -> str | None:
    query = "select lease_check_at at time zone 'UTC' from falconeri.workers where pod_name = %s"
    time = value(conn, query, pod)
    return time and f"{time:%H:%M:%S}"


def test_worker_is_looked_at_again_when_its_lease_would_have_run_out(
    conn: psycopg.Connection,
) -> None:
    job = make_job(conn, 2)
    set_clock(conn, "00:00:00")
    claim(conn, job)
    assert (look(conn, "00:00:10"), next_look(conn)) == (0, "00:01:00")

    show_life(conn, job, "00:00:40")

    assert (look(conn, "00:00:50"), next_look(conn)) == (0, "00:01:00")
    assert (look(conn, "00:01:00.001"), next_look(conn)) == (0, "00:01:40")
    assert look(conn, "00:01:40.001") == 1


def test_first_lease_that_runs_out_counts(conn: psycopg.Connection) -> None:
    job = make_job(conn, 3)
    for slot, time in enumerate(("00:00:10", "00:00:00", "00:00:20")):
        set_clock(conn, time)
        claim(conn, job, slot=slot)
    look(conn, "00:00:30")

    assert next_look(conn) == "00:01:00"
    assert [look(conn, f"00:01:{second}.001") for second in ("00", "10", "20")] == [1, 1, 1]


def test_what_a_worker_claims_after_a_look_at_it_expires_in_time(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2)
    set_clock(conn, "00:00:00")
    complete(conn, claim(conn, job))
    assert (look(conn, "00:00:10"), next_look(conn)) == (0, "00:01:10")

    set_clock(conn, "00:00:11")
    claim(conn, job)

    assert look(conn, "00:01:11") == 0
    assert look(conn, "00:01:11.001") == 1
    recount.check(conn, job)


def test_idle_worker_is_looked_at_again_and_again(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2)
    set_clock(conn, "00:00:00")
    complete(conn, claim(conn, job))

    for seen, then in (
        ("00:00:10", "00:01:10"),
        ("00:01:20", "00:02:20"),
        ("00:02:30", "00:03:30"),
    ):
        assert (look(conn, seen), next_look(conn)) == (0, then)


def test_each_worker_has_claims_and_a_lease_of_its_own(conn: psycopg.Connection) -> None:
    short, long = make_job(conn, lease_s=30), make_job(conn, lease_s=90)
    set_clock(conn, "00:00:00")
    claim(conn, short, "short")
    set_clock(conn, "00:00:05")
    claim(conn, long, "long")

    look(conn, "00:00:10")

    assert (next_look(conn, "short"), next_look(conn, "long")) == ("00:00:30", "00:01:35")


def send_no_heartbeats(conn: psycopg.Connection, job: NewJobKey) -> None:
    claim(conn, job, leased=False)


def end_its_job(conn: psycopg.Connection, job: NewJobKey) -> None:
    jobs.cancel_job(conn, job_id=job.job_id)


def die(conn: psycopg.Connection, job: NewJobKey) -> None:
    lose(conn, job, failure_class=FailureClass.EVICTED)


Leave = Callable[[psycopg.Connection, NewJobKey], None]


def look_until_it_has_left(conn: psycopg.Connection, leave: Leave) -> NewJobKey:
    """A job whose worker has no lease any more and is looked at twice."""
    job = make_job(conn, 2)
    set_clock(conn, "00:00:00")
    claim(conn, job)
    leave(conn, job)
    for time in ("00:00:10", "00:01:10.001"):
        look(conn, time)
    return job


@pytest.mark.parametrize("leave", [send_no_heartbeats, end_its_job, die])
def test_worker_without_leases_is_looked_at_no_more(conn: psycopg.Connection, leave: Leave) -> None:
    look_until_it_has_left(conn, leave)

    assert next_look(conn) is None


@pytest.mark.parametrize("leave", [send_no_heartbeats, die])
def test_worker_that_comes_back_is_looked_at_again(conn: psycopg.Connection, leave: Leave) -> None:
    job = look_until_it_has_left(conn, leave)
    assert next_look(conn) is None

    set_clock(conn, "00:02:00")
    claim(conn, job)

    assert look(conn, "00:05:00") == 1


def test_dead_worker_is_looked_at_for_one_more_lease(conn: psycopg.Connection) -> None:
    """As long as a request that it had sent before may take effect."""
    job = make_job(conn, 2)
    set_clock(conn, "00:00:00")
    claim(conn, job)
    set_clock(conn, "00:00:30")
    die(conn, job)

    assert (look(conn, "00:01:30"), next_look(conn)) == (0, "00:02:30")
    assert (look(conn, "00:02:30.001"), next_look(conn)) == (0, None)


def test_dead_worker_that_still_got_something_loses_it(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2)
    set_clock(conn, "00:00:00")
    claim(conn, job)
    conn.execute("update falconeri.workers set ended_at = '2000-01-01', end_class = 'evicted'")

    assert (look(conn, "00:00:10"), next_look(conn)) == (0, "00:01:00")
    assert look(conn, "00:01:00.001") == 1


def test_claim_on_its_way_while_a_death_takes_long_to_be_noted_expires(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_job(conn, 2)
    undertaker, pod = connect(), connect()
    for each in (conn, undertaker):
        set_clock(each, "00:00:00")
    complete(conn, claim(conn, job))
    look(conn, "00:00:10")
    undertaker.execute("begin")
    die(undertaker, job)
    set_clock(pod, "00:01:30")
    pod.execute("begin")
    claim(pod, job)  # which sees it alive
    undertaker.execute("commit")
    assert look(conn, "00:01:31") == 0

    pod.execute("commit")

    assert look(conn, "00:02:31.001") == 1


def test_claim_that_was_locked_is_looked_at_again_after_a_second(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_job(conn, 2)
    set_clock(conn, "00:00:00")
    claim(conn, job)
    other = connect()
    other.execute("begin")
    other.execute("select from falconeri.claims for update")

    assert (look(conn, "00:01:30"), next_look(conn)) == (0, "00:01:31")
    other.execute("rollback")

    assert look(conn, "00:01:31.001") == 1


def test_workers_that_have_been_due_for_longest_come_first(conn: psycopg.Connection) -> None:
    job = make_job(conn, 4)
    for second in (3, 1, 2):
        set_clock(conn, f"00:00:0{second}")
        claim(conn, job, f"pod-{second}")
    look(conn, "00:00:10")
    set_clock(conn, "00:02:00")

    lost = [workers.requeue_expired(conn, limit=1).lost for _ in range(2)]

    assert lost == [1, 1]
    assert [held.pod_name for held in workers.list_holders(conn)] == ["pod-3"]


def test_worker_that_somebody_changes_is_waited_for_by_no_look(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_job(conn, 2)
    set_clock(conn, "00:00:00")
    claim(conn, job)
    claim(conn, job, "pod-2")
    other = connect()
    other.execute("begin")
    other.execute("update falconeri.workers set node_name = 'another' where pod_name = 'pod-1'")
    conn.execute("set lock_timeout = '1s'")

    look(conn, "00:00:10")

    assert next_look(conn, "pod-2") == "00:01:00"
    other.execute("commit")
    look(conn, "00:00:11")
    assert next_look(conn, "pod-1") == "00:01:00"
