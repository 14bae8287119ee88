"""Datums that wait for a while between a failure and the next attempt."""

from datetime import datetime

import psycopg
import pytest

from falconeri.db import controls, datums, jobs
from falconeri.db.jobs import NewJobKey
from falconeri.states import FailureClass, Verdict
from tests.conftest import Connect
from tests.sql import recount
from tests.sql.factories import (
    ask,
    claim,
    complete,
    failed,
    make_job,
    progress,
    set_clock,
    set_now,
    value,
)
from tests.sql.interleaving import blocked, notified


def fail_and_delay(
    conn: psycopg.Connection, count: int = 1, *, delay_s: int = 60, failures: int = 1
) -> NewJobKey:
    """A job of one shard all of whose datums failed and were told to wait."""
    job = make_job(conn, count, max_tries=99)
    held = [claim(conn, job, slot=i) for i in range(count)]
    for each in held:
        complete(conn, each, report=failed())
    conn.execute("update falconeri.jobs set retry_delay_s = %s", (delay_s,))
    for seq in range(1, count + 1):
        delay(conn, job, seq, failures)
    return job


def delay(conn: psycopg.Connection, job: NewJobKey, seq: int, failures: int = 1) -> bool:
    call = "select falconeri._requeue_at(%s, 0, 0::smallint, %s, %s, 'command')"
    return value(conn, call, job.job_no, seq, failures)


def waits_s(conn: psycopg.Connection, now: str) -> list[float]:
    rows = conn.execute("select ready_at from falconeri.requeue order by seq").fetchall()
    return [(row[0] - datetime.fromisoformat(now)).total_seconds() for row in rows]


def test_delayed_datum_is_not_handed_out_before_it_is_due(conn: psycopg.Connection) -> None:
    job = fail_and_delay(conn, delay_s=60)

    assert ask(conn, job).verdict is Verdict.EMPTY
    assert progress(conn, job).ready == 1
    recount.check(conn, job)
    set_now(conn, in_s=29)
    assert datums.promote_delayed(conn, limit=9) == 0
    set_now(conn, in_s=95)
    assert datums.promote_delayed(conn, limit=9) == 1
    recount.check(conn, job)
    assert claim(conn, job).attempt == 2
    recount.check(conn, job)


def test_job_without_a_delay_retries_at_once(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)
    complete(conn, claim(conn, job), report=failed())

    assert not delay(conn, job, 1)

    assert claim(conn, job).attempt == 2


@pytest.mark.parametrize(
    ("failures", "wait_s"), [(1, 10), (2, 20), (4, 80), (9, 2560), (10, 3600), (2000, 3600)]
)
def test_delay_doubles_with_each_failure_up_to_an_hour_give_or_take_half(
    conn: psycopg.Connection, failures: int, wait_s: float
) -> None:
    now = "2030-01-01T00:00:00+00:00"
    conn.execute("select set_config('falconeri.now', %s, false)", (now,))

    fail_and_delay(conn, 8, delay_s=10, failures=failures)

    waits = waits_s(conn, now)
    assert min(waits) >= wait_s * 0.5
    assert max(waits) <= wait_s * 1.5
    assert len(set(waits)) > 1, "they would all come back at once"


def test_delayed_datum_does_not_hide_a_ready_one(conn: psycopg.Connection) -> None:
    job = fail_and_delay(conn, 1)
    conn.execute("update falconeri.requeue set ready_at = now() - interval '1 day'")

    assert ask(conn, job).verdict is Verdict.EMPTY, "due, but not promoted"
    assert datums.promote_delayed(conn, limit=9) == 1
    assert ask(conn, job).verdict is Verdict.CLAIMED


def test_limit_takes_those_first_that_are_due_first(conn: psycopg.Connection) -> None:
    job = fail_and_delay(conn, 3)
    conn.execute("update falconeri.requeue set ready_at = now() - make_interval(secs => seq)")

    assert datums.promote_delayed(conn, limit=2) == 2

    left = conn.execute("select seq from falconeri.requeue where ready_at is not null").fetchall()
    assert left == [(1,)]
    recount.check(conn, job)
    assert datums.promote_delayed(conn, limit=2) == 1
    assert datums.promote_delayed(conn, limit=2) == 0


def test_promotion_wakes_those_who_watch(conn: psycopg.Connection, connect: Connect) -> None:
    job = fail_and_delay(conn)
    listener = connect()
    listener.execute("listen falconeri_job")
    conn.execute("select falconeri.watch_job(%s)", (job.job_id,))
    set_now(conn, in_s=3600)

    assert datums.promote_delayed(conn, limit=9) == 1

    assert notified(listener) == [str(job.job_id)]


def test_promotion_wakes_nobody_who_does_not_watch(
    conn: psycopg.Connection, connect: Connect
) -> None:
    fail_and_delay(conn)
    listener = connect()
    listener.execute("listen falconeri_job")
    set_now(conn, in_s=3600)

    assert datums.promote_delayed(conn, limit=9) == 1

    assert notified(listener) == []


def test_cancel_ends_delayed_datums(conn: psycopg.Connection) -> None:
    job = fail_and_delay(conn, 2)

    jobs.cancel_job(conn, job_id=job.job_id)

    assert progress(conn, job).canceled == 2
    recount.check(conn, job)
    set_now(conn, in_s=3600)
    assert datums.promote_delayed(conn, limit=9) == 0


def test_datum_that_became_ready_in_a_paused_job_waits_for_its_resumption(
    conn: psycopg.Connection,
) -> None:
    job = fail_and_delay(conn)
    controls.pause_job(conn, job_id=job.job_id)
    set_now(conn, in_s=3600)

    assert datums.promote_delayed(conn, limit=9) == 1

    assert ask(conn, job).verdict is Verdict.EMPTY
    controls.resume_job(conn, job_id=job.job_id)
    assert ask(conn, job).verdict is Verdict.CLAIMED


def test_two_babysitters_promote_a_datum_once(conn: psycopg.Connection, connect: Connect) -> None:
    job = fail_and_delay(conn, 2)
    other = connect()
    for each in (conn, other):
        set_now(each, in_s=3600)
    other.execute("begin")
    assert datums.promote_delayed(other, limit=1) == 1
    with blocked(conn, lambda: datums.promote_delayed(conn, limit=9)) as second:
        other.execute("commit")

    assert second.result() == 1
    recount.check(conn, job)


def test_promotion_takes_shards_before_their_datums(
    conn: psycopg.Connection, connect: Connect
) -> None:
    fail_and_delay(conn, 2)
    set_now(conn, in_s=3600)
    other = connect()
    other.execute("begin")
    other.execute("select from falconeri.shards for no key update")
    with blocked(conn, lambda: datums.promote_delayed(conn, limit=9)) as promoted:
        other.execute("select from falconeri.requeue for update nowait")
        other.execute("commit")

    assert promoted.result() == 2


def test_promotion_waits_for_no_shard_whose_datums_are_not_due(
    conn: psycopg.Connection, connect: Connect
) -> None:
    fail_and_delay(conn)
    set_now(conn, in_s=3600)
    later = fail_and_delay(conn)
    other = connect()
    with other.transaction():
        other.execute("select from falconeri.shards where job_no = %s for update", (later.job_no,))

        assert datums.promote_delayed(conn, limit=9) == 1


def test_only_the_datum_that_is_due_is_promoted_not_its_like_elsewhere(
    conn: psycopg.Connection,
) -> None:
    job, other = (make_job(conn, 4, shards=2) for _ in range(2))
    for each in (job, other):
        for slot in range(4):
            complete(conn, claim(conn, each, slot=slot), report=failed(FailureClass.STORAGE))
    set_now(conn, in_s=3600)

    for promoted in range(1, 9):
        assert datums.promote_delayed(conn, limit=1) == 1
        ready = "select count(*) from falconeri.requeue where ready_at is null"
        assert value(conn, ready) == promoted
        recount.check(conn, job, other)


def test_delay_grows_with_failures_of_any_kind(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1, max_tries=9)
    for failure_class in (FailureClass.EVICTED, FailureClass.COMMAND) * 2:
        complete(conn, claim(conn, job), report=failed(failure_class))
    conn.execute("update falconeri.jobs set retry_delay_s = 10")
    set_clock(conn, "00:00:00")

    complete(conn, claim(conn, job), report=failed())

    (wait_s,) = waits_s(conn, "2100-01-01T00:00:00+00:00")
    assert 80 <= wait_s <= 240


def test_failure_that_waits_wakes_nobody(conn: psycopg.Connection, connect: Connect) -> None:
    job = make_job(conn, 1)
    held = claim(conn, job)
    listener = connect()
    listener.execute("listen falconeri_job")
    conn.execute("select falconeri.watch_job(%s)", (job.job_id,))

    complete(conn, held, report=failed(FailureClass.STORAGE))

    assert notified(listener) == []


def test_delay_is_the_jobs_own(conn: psycopg.Connection) -> None:
    make_job(conn, 1, retry_delay_s=60)
    job = make_job(conn, 1)
    make_job(conn, 1, retry_delay_s=60)

    complete(conn, claim(conn, job), report=failed())

    assert ask(conn, job).verdict is Verdict.CLAIMED


def test_promotion_during_a_cancel_finds_nothing(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = fail_and_delay(conn, 2)
    set_now(conn, in_s=3600)
    other = connect()
    other.execute("begin")
    jobs.cancel_job(other, job_id=job.job_id)
    with blocked(conn, lambda: datums.promote_delayed(conn, limit=9)) as promoted:
        other.execute("commit")

    assert promoted.result() == 0
    recount.check(conn, job)


def test_retried_job_has_the_same_delay(conn: psycopg.Connection) -> None:
    job = fail_and_delay(conn, delay_s=7)
    jobs.cancel_job(conn, job_id=job.job_id)

    new = jobs.retry_job(conn, job_id=job.job_id)

    assert value(conn, "select retry_delay_s from falconeri.jobs where id = %s", new) == 7


def test_failure_of_one_datum_leaves_the_waiting_of_another_as_it_is(
    conn: psycopg.Connection,
) -> None:
    job = make_job(conn, 3, max_tries=3, retry_delay_s=60)
    complete(conn, claim(conn, job), report=failed())
    waits = "select ready_at from falconeri.requeue where job_no = %s and seq = 1"
    until = value(conn, waits, job.job_no)

    complete(conn, claim(conn, job, "pod-2"), "pod-2", failed())

    assert value(conn, waits, job.job_no) == until
