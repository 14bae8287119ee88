"""Old jobs are deleted by and by, the oldest first, by any number of babysitters."""

import psycopg

from falconeri.db import jobs, outputs
from falconeri.errors import InvalidInput
from tests.conftest import Connect
from tests.sql.deleting import delete, delete_old, make_used_job, rows_left
from tests.sql.factories import claim, complete, failed, make_job, refused, set_now
from tests.sql.output_calls import A, B, register


def test_objects_of_failed_attempts_are_still_deleted_and_keep_the_jobs_row(
    conn: psycopg.Connection,
) -> None:
    job = make_job(conn, 1, max_tries=1)
    held = claim(conn, job)
    register(conn, held, [A])
    complete(conn, held, report=failed())

    assert not delete(conn, job)
    assert not delete(conn, job), "a repeat, too, has nothing left to do"
    assert not delete_old(conn, None), "nor is it tried for ever"
    assert rows_left(conn) == {"jobs": 1, "deletions": 1}
    assert jobs.list_jobs(conn).jobs == []

    (deletion,) = outputs.take_deletions(conn, limit=9)
    assert (deletion.uri, deletion.job_id) == (A, job.job_id)
    assert deletion.pipeline_spec == {"pipeline": {"name": "words"}}
    outputs.settle_deletion(conn, job_id=job.job_id, uri=A)
    assert delete_old(conn, None)
    assert rows_left(conn) == {}


def test_deleted_job_does_not_wait_for_the_deletions_of_another(conn: psycopg.Connection) -> None:
    first, second = make_job(conn, 1, max_tries=1), make_job(conn, 1, max_tries=1)
    for job, uri in ((first, A), (second, B)):
        held = claim(conn, job)
        register(conn, held, [uri])
        complete(conn, held, report=failed())
        assert not delete(conn, job)
    outputs.take_deletions(conn, limit=9)
    outputs.settle_deletion(conn, job_id=first.job_id, uri=A)

    assert delete_old(conn, None)

    assert rows_left(conn) == {"jobs": 1, "deletions": 1}


def test_old_jobs_are_deleted_running_and_young_ones_stay(conn: psycopg.Connection) -> None:
    make_used_job(conn)
    running = make_job(conn, 1)
    set_now(conn, in_s=100)
    young = make_job(conn, 0)

    while delete_old(conn, 60, 2):
        pass

    assert [job.id for job in jobs.list_jobs(conn).jobs] == [young.job_id, running.job_id]
    assert rows_left(conn) == {"jobs": 2, "shards": 1, "shard_groups": 1, "datum_chunks": 1}


def test_age_counts_from_the_end_of_a_job(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)
    set_now(conn, in_s=100)
    complete(conn, claim(conn, job))

    assert not delete_old(conn, 60)

    set_now(conn, in_s=161)
    assert delete_old(conn, 60)


def test_without_an_age_only_what_has_been_begun_is_deleted(conn: psycopg.Connection) -> None:
    kept, begun = make_job(conn, 0), make_used_job(conn)
    set_now(conn, in_s=10**6)
    assert delete(conn, begun, 1)

    assert delete_old(conn, None, 2)
    assert delete_old(conn, None, 2)
    assert not delete_old(conn, None, 2)

    assert [job.id for job in jobs.list_jobs(conn).jobs] == [kept.job_id]
    assert rows_left(conn) == {"jobs": 1}


def test_negative_age_is_refused(conn: psycopg.Connection) -> None:
    with refused(InvalidInput):
        delete_old(conn, -1)


def test_two_babysitters_delete_different_jobs(conn: psycopg.Connection, connect: Connect) -> None:
    for _ in range(2):
        make_job(conn, 0)
    other = connect()
    set_now(conn, in_s=10)
    set_now(other, in_s=10)
    with other.transaction():
        assert delete_old(other, 1)
        assert delete_old(conn, 1)  # would wait
        assert not delete_old(conn, 1)

    assert rows_left(conn) == {}


def test_oldest_job_is_deleted_first(conn: psycopg.Connection) -> None:
    make_job(conn, 0)
    younger = make_job(conn, 0)
    set_now(conn, in_s=1)

    assert delete_old(conn, 0)

    assert [job.id for job in jobs.list_jobs(conn).jobs] == [younger.job_id]


def test_job_half_deleted_is_deleted_further_while_its_deletions_wait(
    conn: psycopg.Connection,
) -> None:
    job = make_job(conn, 2, max_tries=1)
    for uri in (A, B):
        held = claim(conn, job)
        register(conn, held, [uri])
        complete(conn, held, report=failed())
    assert delete(conn, job, 1)

    assert delete_old(conn, None)

    assert rows_left(conn) == {"jobs": 1, "deletions": 2}


def test_old_job_that_is_being_retried_is_left_alone(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_used_job(conn)
    other = connect()
    set_now(conn, in_s=1)
    with other.transaction():
        jobs.retry_job(other, job_id=job.job_id)

        assert not delete_old(conn, 0)

    assert delete_old(conn, 0)
