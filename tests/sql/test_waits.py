"""Why workers don't work yet: what the cluster says is kept until it says something else."""

from __future__ import annotations

from uuid import uuid4

import psycopg
import pytest

from falconeri.db import controls, jobs, waits
from falconeri.db.jobs import NewJobKey
from falconeri.db.waits import JobWait
from falconeri.errors import InvalidInput, JobNotFound
from tests.conftest import Connect
from tests.sql.factories import make_job, refused, set_clock, value
from tests.sql.interleaving import blocked

NO_CPU = "0/3 nodes are available: 3 Insufficient cpu."


def no_cpu(job: NewJobKey, pods: int = 2) -> JobWait:
    return JobWait(job.job_id, "unschedulable", NO_CPU, pods)


def no_image(job: NewJobKey) -> JobWait:
    return JobWait(job.job_id, "image", "no/such:image can't be pulled", 1)


def shown(conn: psycopg.Connection, job: NewJobKey) -> list[tuple[str, int, str]]:
    found = waits.list_waits(conn, job_id=job.job_id)
    return [(wait.reason, wait.pod_count, f"{wait.since:%H:%M}") for wait in found]


def test_what_holds_up_most_workers_comes_first(conn: psycopg.Connection) -> None:
    set_clock(conn, "10:00")
    job, other = make_job(conn), make_job(conn)

    noted = waits.note_waits(conn, waits=[no_image(job), no_cpu(job, 3), no_cpu(other)])

    assert noted == 3
    assert shown(conn, job) == [("unschedulable", 3, "10:00"), ("image", 1, "10:00")]
    assert shown(conn, other) == [("unschedulable", 2, "10:00")]
    assert waits.list_waits(conn, job_id=job.job_id)[0].message == NO_CPU


def test_of_as_many_the_longest_wait_comes_first(conn: psycopg.Connection) -> None:
    set_clock(conn, "10:00")
    job = make_job(conn)
    waits.note_waits(conn, waits=[no_cpu(job, 1)])
    set_clock(conn, "10:05")

    waits.note_waits(conn, waits=[no_cpu(job, 1), no_image(job)])

    assert shown(conn, job) == [("unschedulable", 1, "10:00"), ("image", 1, "10:05")]


def test_only_news_are_written_and_a_wait_keeps_its_beginning(conn: psycopg.Connection) -> None:
    set_clock(conn, "10:00")
    job = make_job(conn)
    waits.note_waits(conn, waits=[no_cpu(job), no_image(job)])
    before = value(conn, "select string_agg(xmin::text || ctid::text, ' ') from falconeri.waits")
    set_clock(conn, "10:05")

    assert waits.note_waits(conn, waits=[no_cpu(job), no_image(job)]) == 0
    after = value(conn, "select string_agg(xmin::text || ctid::text, ' ') from falconeri.waits")
    assert after == before
    assert waits.note_waits(conn, waits=[no_cpu(job, 1), no_image(job)]) == 1
    assert shown(conn, job) == [("image", 1, "10:00"), ("unschedulable", 1, "10:00")]


def test_what_is_no_longer_said_is_forgotten(conn: psycopg.Connection) -> None:
    job, other = make_job(conn), make_job(conn)
    waits.note_waits(conn, waits=[no_cpu(job), no_cpu(other), no_image(job)])

    assert waits.note_waits(conn, waits=[no_image(job)]) == 2

    assert [reason for reason, _, _ in shown(conn, job)] == ["image"]
    assert shown(conn, other) == []
    assert waits.note_waits(conn, waits=[no_image(other)]) == 2, "said of another one now"
    assert (shown(conn, job), [reason for reason, _, _ in shown(conn, other)]) == ([], ["image"])
    assert waits.note_waits(conn, waits=[]) == 1
    assert value(conn, "select count(*) from falconeri.waits") == 0


def test_workers_that_wait_for_the_same_are_counted_together(conn: psycopg.Connection) -> None:
    job = make_job(conn)

    assert waits.note_waits(conn, waits=[no_cpu(job, 2), no_cpu(job, 3)]) == 1

    assert [count for _, count, _ in shown(conn, job)] == [5]


def test_an_ended_job_waits_for_nothing(conn: psycopg.Connection) -> None:
    job = make_job(conn)
    waits.note_waits(conn, waits=[no_cpu(job)])
    jobs.cancel_job(conn, job_id=job.job_id)

    assert shown(conn, job) == []
    assert value(conn, "select count(*) from report.waits") == 0
    assert waits.note_waits(conn, waits=[no_cpu(job), JobWait(uuid4(), "image", "x", 1)]) == 1
    assert value(conn, "select count(*) from falconeri.waits") == 0, "the ended job's is gone"


def test_a_deleted_job_leaves_nothing(conn: psycopg.Connection) -> None:
    job = make_job(conn)
    waits.note_waits(conn, waits=[no_cpu(job)])
    jobs.cancel_job(conn, job_id=job.job_id)

    assert not controls.delete_job(conn, job_id=job.job_id, limit=100)

    assert value(conn, "select count(*) from falconeri.waits") == 0


def test_a_long_message_is_cut(conn: psycopg.Connection) -> None:
    job = make_job(conn)
    long = JobWait(job.job_id, "image", "é" * 10_000, 1)

    waits.note_waits(conn, waits=[long])

    assert waits.list_waits(conn, job_id=job.job_id)[0].message == "é" * 500
    assert waits.note_waits(conn, waits=[long]) == 0


@pytest.mark.parametrize(
    ("reason", "pods"), [("Two words", 1), ("", 1), ("image", 0)], ids=["words", "none", "no pods"]
)
def test_a_wait_that_can_not_be_is_refused(
    conn: psycopg.Connection, reason: str, pods: int
) -> None:
    job = make_job(conn)
    waits.note_waits(conn, waits=[no_cpu(job)])

    with refused(InvalidInput):
        waits.note_waits(conn, waits=[JobWait(job.job_id, reason, "message", pods)])

    assert [reason for reason, _, _ in shown(conn, job)] == ["unschedulable"], "nothing changed"


def test_waits_of_a_job_that_is_not_there_are_an_error(conn: psycopg.Connection) -> None:
    with refused(JobNotFound):
        waits.list_waits(conn, job_id=uuid4())


def test_the_report_names_the_job(conn: psycopg.Connection) -> None:
    job = make_job(conn)
    waits.note_waits(conn, waits=[no_cpu(job)])

    row = conn.execute(
        "select job_id, job_name ~ '^words-', reason, message, pod_count from report.waits"
    ).fetchone()

    assert row == (job.job_id, True, "unschedulable", NO_CPU, 2)


def test_a_second_babysitter_waits_for_the_first(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job, first = make_job(conn), connect()
    first.execute("begin")
    assert waits.note_waits(first, waits=[no_image(job)]) == 1

    with blocked(conn, lambda: waits.note_waits(conn, waits=[no_cpu(job)])) as second:
        first.execute("commit")

    assert second.result() == 2, "what the first has noted is taken back"
    assert [reason for reason, _, _ in shown(conn, job)] == ["unschedulable"]
