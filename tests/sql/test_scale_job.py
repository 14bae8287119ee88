"""How many workers a job should have, changed while it runs."""

from uuid import uuid4

import psycopg
import pytest

from falconeri.db import controls, jobs
from falconeri.db.jobs import NewJobKey
from falconeri.errors import InvalidInput, JobNotFound, JobNotRunning
from tests.conftest import Connect
from tests.sql.factories import claim, complete, deferred, make_job, refused
from tests.sql.interleaving import blocked


def scale(conn: psycopg.Connection, job: NewJobKey, parallelism: int) -> None:
    controls.scale_job(conn, job_id=job.job_id, parallelism=parallelism)


def wanted(conn: psycopg.Connection) -> list[int]:
    return [job.parallelism for job in jobs.list_running_jobs(conn)]


@pytest.mark.parametrize("parallelism", [0, 1, 7])
def test_cluster_is_asked_to_follow(conn: psycopg.Connection, parallelism: int) -> None:
    job = make_job(conn, 9, parallelism=4)

    scale(conn, job, parallelism)

    assert wanted(conn) == [parallelism]
    assert deferred(conn, job) == ["start_workers", "start_workers"]


def test_task_waits_for_others_about_the_same_workers(conn: psycopg.Connection) -> None:
    job = make_job(conn)
    scale(conn, job, 2)

    rows = conn.execute("select distinct lock from procrastinate.procrastinate_jobs").fetchall()

    assert rows == [(f"workers:{job.job_id}",)]


def test_repeat_asks_again(conn: psycopg.Connection) -> None:
    job = make_job(conn, parallelism=4)

    scale(conn, job, 2)
    scale(conn, job, 2)

    assert wanted(conn) == [2]
    assert deferred(conn, job) == ["start_workers"] * 3


def test_other_jobs_keep_their_number(conn: psycopg.Connection) -> None:
    job = make_job(conn, 9, parallelism=4)
    make_job(conn, 9, parallelism=5)

    scale(conn, job, 2)

    assert wanted(conn) == [2, 5]


def test_negative_number_is_refused(conn: psycopg.Connection) -> None:
    job = make_job(conn, parallelism=3)

    with refused(InvalidInput):
        scale(conn, job, -1)
    with refused(InvalidInput):
        conn.execute("select falconeri.scale_job(%s, null)", (job.job_id,))

    assert wanted(conn) == [3]


def test_ended_and_unknown_jobs_are_refused(conn: psycopg.Connection) -> None:
    canceled = make_job(conn)
    jobs.cancel_job(conn, job_id=canceled.job_id)

    with refused(JobNotRunning):
        scale(conn, make_job(conn, 0), 1)
    with refused(JobNotRunning):
        scale(conn, canceled, 1)
    with refused(JobNotFound):
        scale(conn, NewJobKey(0, uuid4()), 1)
    assert deferred(conn, canceled) == ["start_workers", "stop_workers"]


def test_job_that_ends_meanwhile_gets_no_workers(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_job(conn, 1)
    held = claim(conn, job)
    other = connect()
    other.execute("begin")
    complete(other, held)
    with blocked(conn, lambda: scale(conn, job, 9)) as scaled:
        other.execute("commit")

    with refused(JobNotRunning):
        scaled.result()
    assert deferred(conn, job) == ["start_workers"]
