"""Which datums of an ended job are retried, and how, when its operator is choosy."""

import psycopg
import pytest

from falconeri.db import jobs
from falconeri.db.jobs import NewJobKey
from falconeri.errors import InvalidInput, JobNotRetryable
from falconeri.states import AttemptOutcome, FailureClass
from falconeri.wire.work import Report
from tests.sql.factories import DONE, claim, complete, make_job, refused, value

PERCENT = "disk 100% full: /tmp/[a]"


def failed_with(message: str) -> Report:
    return Report(
        outcome=AttemptOutcome.ERROR, failure_class=FailureClass.COMMAND, error_message=message
    )


def make_ended_job(conn: psycopg.Connection, *reports: Report) -> NewJobKey:
    """A canceled job whose first datums ended so, at once, and whose last never ran."""
    job = make_job(conn, len(reports) + 1, max_tries=1)
    for report in reports:
        complete(conn, claim(conn, job), report=report)
    jobs.cancel_job(conn, job_id=job.job_id)
    return job


def retried(conn: psycopg.Connection, job: NewJobKey, matching: str | None) -> list[str]:
    """The input files of the new job."""
    new_id = jobs.retry_job(conn, job_id=job.job_id, matching=matching)
    rows = conn.execute(
        """
        select falconeri._inputs(d.job_no, d.seq) -> 0 ->> 'uri'
        from falconeri.datum_states d where d.job_id = %s order by d.seq
        """,
        (new_id,),
    )
    return [row[0] for row in rows]


def test_only_datums_that_failed_with_this_message_are_retried(conn: psycopg.Connection) -> None:
    job = make_ended_job(conn, failed_with("no space left"), DONE, failed_with("exit status 1"))

    assert retried(conn, job, "space") == ["s3://in/1"]
    assert retried(conn, job, "exit status 1") == ["s3://in/3"]
    assert retried(conn, job, None) == ["s3://in/1", "s3://in/3", "s3://in/4"]


@pytest.mark.parametrize("part", ["100%", "%", "[a]", "/tmp/"])
def test_message_is_compared_as_it_stands(conn: psycopg.Connection, part: str) -> None:
    job = make_ended_job(conn, failed_with("disk 100 full: tmp a"), failed_with(PERCENT))

    assert retried(conn, job, part) == ["s3://in/2"]


@pytest.mark.parametrize("part", ["DISK", "d%k", "disk.100", "the job was canceled", "well"])
def test_retry_of_which_nothing_matches_is_refused_and_leaves_no_job(
    conn: psycopg.Connection, part: str
) -> None:
    job = make_ended_job(conn, failed_with(PERCENT), DONE)

    with refused(JobNotRetryable):
        retried(conn, job, part)

    assert [found.id for found in jobs.list_jobs(conn).jobs] == [job.job_id]


def test_latest_failure_counts(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1, max_tries=2)
    for message in ("first", "second"):
        complete(conn, claim(conn, job), report=failed_with(message))

    with refused(JobNotRetryable):
        retried(conn, job, "first")
    assert retried(conn, job, "second") == ["s3://in/1"]


def test_datum_canceled_in_a_later_attempt_is_matched_by_its_failure(
    conn: psycopg.Connection,
) -> None:
    job = make_job(conn, 1, max_tries=2)
    complete(conn, claim(conn, job), report=failed_with("first"))
    claim(conn, job)
    jobs.cancel_job(conn, job_id=job.job_id)

    assert retried(conn, job, "first") == ["s3://in/1"]


def test_datum_that_failed_before_it_was_done_is_not_retried(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2, max_tries=2)
    held = claim(conn, job)
    complete(conn, held, report=failed_with("first"))
    complete(conn, claim(conn, job))
    jobs.cancel_job(conn, job_id=job.job_id)

    with refused(JobNotRetryable):
        retried(conn, job, "first")


def test_new_job_has_the_old_ones_numbers_unless_others_are_given(
    conn: psycopg.Connection,
) -> None:
    job = make_ended_job(conn, failed_with("x"))
    conn.execute("update falconeri.jobs set timeout_s = 99, lease_s = 45")
    numbers = "select parallelism, max_tries, timeout_s, lease_s from falconeri.jobs where id = %s"

    same = jobs.retry_job(conn, job_id=job.job_id)
    other = jobs.retry_job(conn, job_id=job.job_id, parallelism=7, max_tries=9)

    assert conn.execute(numbers, (same,)).fetchone() == (4, 1, 99, 45)
    assert conn.execute(numbers, (other,)).fetchone() == (7, 9, 99, 45)
    tries = """
        select distinct s.max_tries from falconeri.shards s join falconeri.jobs j using (job_no)
        where j.id = %s
    """
    assert value(conn, tries, other) == 9


@pytest.mark.parametrize(("parallelism", "max_tries"), [(-1, None), (None, 0)])
def test_impossible_numbers_are_refused(
    conn: psycopg.Connection, parallelism: int | None, max_tries: int | None
) -> None:
    job = make_ended_job(conn, failed_with("x"))

    with refused(InvalidInput):
        jobs.retry_job(conn, job_id=job.job_id, parallelism=parallelism, max_tries=max_tries)

    assert len(jobs.list_jobs(conn).jobs) == 1
