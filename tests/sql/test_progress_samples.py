"""How fast a job is just now, by samples of its counters; and when it should be over."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from falconeri.db import controls, jobs
from falconeri.db.jobs import NewJobKey
from tests.conftest import Connect
from tests.sql.factories import claim, complete, failed, make_job, value
from tests.sql.interleaving import blocked

START = datetime.fromisoformat("2100-01-01 10:00:00+00:00")  # the beginning of a quarter


def at(conn: psycopg.Connection, seconds: float) -> None:
    """Let it be so many seconds after START."""
    now = START + timedelta(seconds=seconds)
    conn.execute("select set_config('falconeri.now', %s, false)", (now.isoformat(),))


def begin(conn: psycopg.Connection, datums: int = 1000) -> NewJobKey:
    """A job whose first worker registers at START."""
    at(conn, 0)
    job = make_job(conn, datums, max_tries=1)
    claim(conn, job)
    return job


def work(conn: psycopg.Connection, job: NewJobKey, datums: int) -> None:
    """Let so many of its datums end at this moment."""
    for _ in range(datums):
        complete(conn, claim(conn, job))


def pass_time(
    conn: psycopg.Connection, job: NewJobKey, *, start_s: int, end_s: int, datums: int = 0
) -> None:
    """Sample each 15 s, and let so many datums end within each."""
    for seconds in range(start_s, end_s, 15):
        at(conn, seconds)
        jobs.sample_progress(conn)
        work(conn, job, datums)
    at(conn, end_s)


def shown(conn: psycopg.Connection, job: NewJobKey) -> dict[str, Any]:
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            "select * from report.jobs where job_id = %s", (job.job_id,)
        ).fetchone()
    assert row is not None
    return row


def remaining_s(conn: psycopg.Connection, job: NewJobKey) -> float:
    """Seconds from now until the job's expected end."""
    now = value(conn, "select falconeri._now()")
    return (shown(conn, job)["expected_at"] - now).total_seconds()


def test_each_running_job_is_noted_once_in_a_quarter_of_a_minute(
    conn: psycopg.Connection,
) -> None:
    job, paused = begin(conn), make_job(conn, 3)
    work(conn, job, 2)
    complete(conn, claim(conn, job), report=failed())
    controls.pause_job(conn, job_id=paused.job_id)
    jobs.cancel_job(conn, job_id=make_job(conn, 1).job_id)

    assert jobs.sample_progress(conn) == 2
    at(conn, 14.9)
    assert jobs.sample_progress(conn) == 0
    at(conn, 15)
    assert jobs.sample_progress(conn) == 2

    rows = conn.execute(
        "select job_id, at, ended, paused from report.progress order by at, ended"
    ).fetchall()
    later = START + timedelta(seconds=15)
    assert rows == [
        (paused.job_id, START, 0, True),
        (job.job_id, START, 3, False),
        (paused.job_id, later, 0, True),
        (job.job_id, later, 3, False),
    ]


def test_two_babysitters_at_once_note_a_job_once(
    conn: psycopg.Connection, connect: Connect
) -> None:
    begin(conn)
    other = connect()
    at(other, 1)
    other.execute("begin")
    assert jobs.sample_progress(other) == 1
    with blocked(conn, lambda: jobs.sample_progress(conn)) as second:
        other.execute("commit")

    assert second.result() == 0


def test_samples_older_than_an_hour_are_forgotten_whatever_became_of_their_job(
    conn: psycopg.Connection,
) -> None:
    running, ended = begin(conn), make_job(conn, 1)
    jobs.sample_progress(conn)
    jobs.cancel_job(conn, job_id=ended.job_id)
    at(conn, 3600)
    jobs.sample_progress(conn)
    assert value(conn, "select count(*) from falconeri.progress_samples") == 3
    at(conn, 3615)

    jobs.sample_progress(conn)

    rows = conn.execute("select job_id, at from report.progress order by at").fetchall()
    assert rows == [
        (running.job_id, START + timedelta(seconds=seconds)) for seconds in (3600, 3615)
    ]


def test_recent_rate_is_that_of_the_last_minutes(conn: psycopg.Connection) -> None:
    job = begin(conn)
    pass_time(conn, job, start_s=0, end_s=3600)
    pass_time(conn, job, start_s=3600, end_s=3750, datums=2)
    pass_time(conn, job, start_s=3750, end_s=3900, datums=4)

    row = shown(conn, job)

    assert float(row["recent_datums_per_s"]) == pytest.approx(60 / 300, abs=1e-3)
    assert float(row["datums_per_s"]) == pytest.approx(60 / 3900, abs=1e-3)
    assert remaining_s(conn, job) == pytest.approx(940 / (60 / 300), abs=1)


def test_recent_rate_counts_what_ended_since_the_last_sample(conn: psycopg.Connection) -> None:
    job = begin(conn)
    pass_time(conn, job, start_s=0, end_s=60)
    complete(conn, claim(conn, job), report=failed())
    work(conn, job, 5)

    assert float(shown(conn, job)["recent_datums_per_s"]) == pytest.approx(6 / 60, abs=1e-3)


def test_time_before_the_first_worker_is_not_counted(conn: psycopg.Connection) -> None:
    at(conn, 0)
    job = make_job(conn, 100)
    for seconds in range(0, 120, 15):
        at(conn, seconds)
        jobs.sample_progress(conn)
        assert shown(conn, job)["recent_datums_per_s"] is None
    at(conn, 110)
    claim(conn, job)
    pass_time(conn, job, start_s=120, end_s=165, datums=4)

    assert float(shown(conn, job)["recent_datums_per_s"]) == pytest.approx(12 / 45, abs=1e-3)


def test_rate_of_a_few_seconds_is_not_shown(conn: psycopg.Connection) -> None:
    job = begin(conn)
    pass_time(conn, job, start_s=0, end_s=29, datums=5)

    assert shown(conn, job)["recent_datums_per_s"] is None
    assert remaining_s(conn, job) == pytest.approx(990 / (10 / 29), abs=1)


def test_paused_job_has_no_recent_rate_and_a_resumed_one_that_since_then(
    conn: psycopg.Connection,
) -> None:
    job = begin(conn)
    pass_time(conn, job, start_s=0, end_s=120, datums=10)
    controls.pause_job(conn, job_id=job.job_id)
    assert (shown(conn, job)["recent_datums_per_s"], shown(conn, job)["expected_at"]) == (None,) * 2
    pass_time(conn, job, start_s=120, end_s=180)
    controls.resume_job(conn, job_id=job.job_id)
    assert shown(conn, job)["recent_datums_per_s"] is None
    pass_time(conn, job, start_s=180, end_s=225, datums=5)

    assert float(shown(conn, job)["recent_datums_per_s"]) == pytest.approx(15 / 45, abs=1e-3)


def test_rare_datums_are_expected_at_the_rate_since_the_start(conn: psycopg.Connection) -> None:
    # One in each ten minutes: whether one is among the last five says nothing.
    job = begin(conn, 20)
    for seconds in (600, 1200):
        at(conn, seconds)
        work(conn, job, 1)
    pass_time(conn, job, start_s=1500, end_s=1800)
    work(conn, job, 1)

    row = shown(conn, job)

    assert float(row["recent_datums_per_s"]) == pytest.approx(1 / 300, abs=1e-3)
    assert remaining_s(conn, job) == pytest.approx(17 / (3 / 1800), abs=1)


def test_stalled_job_is_expected_at_no_time(conn: psycopg.Connection) -> None:
    job = begin(conn)
    pass_time(conn, job, start_s=0, end_s=600, datums=5)
    pass_time(conn, job, start_s=600, end_s=900)

    row = shown(conn, job)

    assert (row["recent_datums_per_s"], row["expected_at"]) == (0, None)
    assert row["datums_per_s"] > 0


def test_without_samples_the_rate_since_the_start_counts(conn: psycopg.Connection) -> None:
    job = begin(conn)
    pass_time(conn, job, start_s=0, end_s=60, datums=10)
    at(conn, 600)  # the babysitters have been away

    assert shown(conn, job)["recent_datums_per_s"] is None
    assert remaining_s(conn, job) == pytest.approx(960 / (40 / 600), abs=1)


def test_end_in_millions_of_years_is_no_time(conn: psycopg.Connection) -> None:
    job = begin(conn, 3)
    work(conn, job, 1)
    conn.execute("update falconeri.shards set last_seq = 2000000000, open = 1999999999")
    at(conn, 86400 * 365)

    assert shown(conn, job)["expected_at"] is None


def test_ended_job_has_no_recent_rate(conn: psycopg.Connection) -> None:
    job = begin(conn)
    pass_time(conn, job, start_s=0, end_s=60, datums=10)
    assert shown(conn, job)["recent_datums_per_s"] is not None

    jobs.cancel_job(conn, job_id=job.job_id)

    assert shown(conn, job)["recent_datums_per_s"] is None
