"""Requests for a new job that are repeated."""

from __future__ import annotations

from uuid import UUID

import psycopg
import pytest

from falconeri.db import jobs, requests
from falconeri.errors import InvalidInput, JobNotFound, RequestKeyReused
from tests.conftest import Connect
from tests.sql.factories import make_job, refused
from tests.sql.interleaving import blocked

KEY = "a-key"


def request(conn: psycopg.Connection, key: str = KEY, digest: str = "asked") -> UUID:
    """The job that answers a request."""
    with conn.transaction():
        known = requests.begin_request(conn, request_key=key, digest=digest)
        if known is not None:
            return known
        job = make_job(conn, 1)
        requests.end_request(conn, request_key=key, job_id=job.job_id)
        return job.job_id


def test_repeated_request_gets_the_same_job(conn: psycopg.Connection) -> None:
    first = request(conn)

    assert request(conn) == first
    assert requests.find_request(conn, request_key=KEY, digest="asked") == first
    assert len(jobs.list_jobs(conn).jobs) == 1


def test_request_with_another_key_gets_another_job(conn: psycopg.Connection) -> None:
    assert request(conn) != request(conn, "another")


def test_key_of_another_request_is_refused(conn: psycopg.Connection) -> None:
    request(conn)

    with refused(RequestKeyReused):
        request(conn, digest="something else")
    with refused(RequestKeyReused):
        requests.find_request(conn, request_key=KEY, digest="something else")


def test_unknown_key_has_no_job(conn: psycopg.Connection) -> None:
    assert requests.find_request(conn, request_key=KEY, digest="asked") is None


def test_request_that_failed_may_be_repeated(conn: psycopg.Connection) -> None:
    conn.execute("begin")
    requests.begin_request(conn, request_key=KEY, digest="asked")
    conn.execute("rollback")

    assert request(conn)


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_key_of_a_wrong_length_is_refused(conn: psycopg.Connection, key: str) -> None:
    with refused(InvalidInput):
        request(conn, key)


def test_request_can_only_end_with_a_job(conn: psycopg.Connection) -> None:
    with refused(JobNotFound), conn.transaction():
        requests.begin_request(conn, request_key=KEY, digest="asked")
        requests.end_request(conn, request_key=KEY, job_id=UUID(int=1))


def test_two_at_once_make_one_job(conn: psycopg.Connection, connect: Connect) -> None:
    other = connect()
    other.execute("begin")
    requests.begin_request(other, request_key=KEY, digest="asked")
    job = make_job(other, 1)
    requests.end_request(other, request_key=KEY, job_id=job.job_id)

    with blocked(conn, lambda: request(conn)) as second:
        other.execute("commit")

    assert second.result() == job.job_id
    assert len(jobs.list_jobs(conn).jobs) == 1


def test_deleted_job_takes_its_request_with_it(conn: psycopg.Connection) -> None:
    first = request(conn)
    jobs.cancel_job(conn, job_id=first)
    conn.execute("select falconeri.delete_job(%s, 100)", (first,))

    assert request(conn) != first
