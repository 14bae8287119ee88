"""Ended jobs are deleted whole, in batches, and leave what must stay."""

from uuid import uuid4

import psycopg
import pytest

from falconeri.db import datums, jobs, outputs, workers
from falconeri.db.jobs import NewJobKey
from falconeri.errors import DatumNotFound, InvalidInput, JobNotFound, JobRunning
from tests.conftest import Connect
from tests.sql import recount
from tests.sql.deleting import datums_left, delete, make_used_job, rows_left
from tests.sql.factories import (
    claim,
    complete,
    datum_id,
    failed,
    make_job,
    progress,
    refused,
    set_clock,
    set_now,
    value,
)
from tests.sql.interleaving import blocked
from tests.sql.output_calls import A, B, deletions, register, registered


def test_no_row_of_a_deleted_job_is_left(conn: psycopg.Connection) -> None:
    job = make_used_job(conn)
    used = {"attempts", "claims", "heartbeats", "output_files", "progress_samples"}
    assert used < rows_left(conn).keys()

    assert not delete(conn, job)

    assert rows_left(conn) == {}


def test_job_without_datums_is_deleted(conn: psycopg.Connection) -> None:
    assert not delete(conn, make_job(conn, 0))

    assert rows_left(conn) == {}


def test_other_jobs_stay(conn: psycopg.Connection) -> None:
    other = make_job(conn, 2)
    held = claim(conn, other)
    register(conn, held, [B])
    workers.extend_leases(conn, job_id=other.job_id, pod_name="pod-1", held=[])
    set_now(conn, in_s=0)  # one quarter of a minute, and so one sample
    jobs.sample_progress(conn)
    before = rows_left(conn)

    delete(conn, make_used_job(conn))

    assert rows_left(conn) == before
    recount.check(conn, other)
    complete(conn, held)


def test_each_call_deletes_a_batch_and_says_whether_more_is_left(
    conn: psycopg.Connection,
) -> None:
    job = make_used_job(conn)
    left: list[int] = []

    while delete(conn, job, 2):
        left.append(datums_left(conn))

    assert left == [3, 1]
    assert rows_left(conn) == {}


def test_datums_of_a_job_that_is_being_deleted_are_not_seen(conn: psycopg.Connection) -> None:
    job = make_used_job(conn)
    first = datum_id(conn, job, 1)
    assert datums.list_attempts(conn, datum_id=first)

    assert delete(conn, job, 1)

    for look in (datums.describe_datum, datums.list_attempts, datums.list_inputs):
        with refused(DatumNotFound):
            look(conn, datum_id=first)


def test_chunks_go_when_none_of_their_datums_is_left(conn: psycopg.Connection) -> None:
    job = make_job(conn, 40)
    jobs.cancel_job(conn, job_id=job.job_id)
    chunks: list[int] = []

    while delete(conn, job, 12):
        chunks.append(rows_left(conn)["datum_chunks"])

    assert chunks == [2, 1, 1]
    assert rows_left(conn) == {}


def test_attempts_and_files_go_with_their_datums(conn: psycopg.Connection) -> None:
    job = make_job(conn, 3)
    for name in ("a", "b", "c"):
        held = claim(conn, job)
        register(conn, held, [f"s3://out/{name}"])
        complete(conn, held)

    assert delete(conn, job, 2)

    assert registered(conn) == ["s3://out/a"]
    assert rows_left(conn)["attempts"] == 1


def test_half_deleted_job_is_seen_by_nobody(conn: psycopg.Connection) -> None:
    job = make_used_job(conn)
    name = jobs.describe_job(conn, job_id=job.job_id).job_name

    assert delete(conn, job, 1)

    assert jobs.list_jobs(conn).jobs == []
    with refused(JobNotFound):
        jobs.describe_job(conn, job_id=job.job_id)
    with refused(JobNotFound):
        jobs.find_job(conn, job_name=name)
    with refused(JobNotFound):
        jobs.retry_job(conn, job_id=job.job_id)


def test_running_job_is_refused(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2)

    with refused(JobRunning):
        delete(conn, job)

    assert progress(conn, job).ready == 2


def test_unknown_job_and_one_already_gone_are_refused(conn: psycopg.Connection) -> None:
    job = make_job(conn, 0)
    delete(conn, job)

    with refused(JobNotFound):
        delete(conn, job)
    with refused(JobNotFound):
        delete(conn, NewJobKey(0, uuid4()))


@pytest.mark.parametrize("limit", ["0", "-1", "null"])
def test_limit_that_deletes_nothing_is_refused(conn: psycopg.Connection, limit: str) -> None:
    job = make_used_job(conn)
    before = rows_left(conn)

    with refused(InvalidInput):
        conn.execute(
            "select falconeri.delete_job(%s, nullif(%s, 'null')::integer)", (job.job_id, limit)
        )
    with refused(InvalidInput):
        conn.execute("select falconeri.delete_old_jobs(0, nullif(%s, 'null')::integer)", (limit,))

    assert rows_left(conn) == before
    assert jobs.list_jobs(conn).jobs


def test_results_are_not_deleted_for_another_job_that_failed_to_write_them(
    conn: psycopg.Connection,
) -> None:
    good, bad = make_job(conn, 1), make_job(conn, 1, max_tries=1)
    for job, ending in ((good, None), (bad, failed())):
        held = claim(conn, job)
        register(conn, held, [A])
        if ending is None:
            complete(conn, held)
        else:
            complete(conn, held, report=ending)
    assert deletions(conn) == [A]
    assert outputs.take_deletions(conn, limit=9) == []

    delete(conn, good)

    assert outputs.take_deletions(conn, limit=9) == []
    assert deletions(conn) == []


def test_job_is_deleted_since_the_first_call(conn: psycopg.Connection) -> None:
    job = make_job(conn, 3)
    jobs.cancel_job(conn, job_id=job.job_id)

    for time in ("00:00:01", "00:00:02"):
        set_clock(conn, time)
        assert delete(conn, job, 1)

    assert value(conn, "select extract(second from deleted_at)::int from falconeri.jobs") == 1


def test_second_delete_waits_for_the_first_and_finds_nothing(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_used_job(conn)
    other = connect()
    other.execute("begin")
    delete(other, job)
    with blocked(conn, lambda: delete(conn, job)) as second:
        other.execute("commit")

    with refused(JobNotFound):
        second.result()


def test_second_delete_goes_on_where_the_first_stopped(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_used_job(conn)
    other = connect()
    other.execute("begin")
    assert delete(other, job, 3)
    with blocked(conn, lambda: delete(conn, job, 1)) as second:
        other.execute("commit")

    assert second.result()
    assert datums_left(conn) == 1


def test_retry_during_a_delete_is_refused(conn: psycopg.Connection, connect: Connect) -> None:
    job = make_used_job(conn)
    other = connect()
    other.execute("begin")
    delete(other, job, 1)
    with blocked(conn, lambda: jobs.retry_job(conn, job_id=job.job_id)) as retried:
        other.execute("commit")

    with refused(JobNotFound):
        retried.result()


def test_delete_waits_for_a_retry_which_finds_all_datums(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_used_job(conn)
    other = connect()
    other.execute("begin")
    new_id = jobs.retry_job(other, job_id=job.job_id)
    with blocked(conn, lambda: delete(conn, job)) as deleted:
        other.execute("commit")

    assert not deleted.result()
    assert jobs.job_progress(conn, job_id=new_id).total == 4
    assert [found.id for found in jobs.list_jobs(conn).jobs] == [new_id]


def test_worker_of_a_deleted_job_finds_nothing_of_it(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)
    held = claim(conn, job)
    jobs.cancel_job(conn, job_id=job.job_id)

    delete(conn, job)

    with refused(DatumNotFound):
        complete(conn, held)
    with refused(JobNotFound):
        claim(conn, job)
    with refused(JobNotFound):
        workers.extend_leases(conn, job_id=job.job_id, pod_name="pod-1", held=[])
