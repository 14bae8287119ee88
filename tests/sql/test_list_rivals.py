"""Jobs that may write the same files as another one."""

from __future__ import annotations

from uuid import UUID, uuid4

import psycopg
import pytest

from falconeri.db import jobs
from falconeri.db.plans import list_rivals
from falconeri.errors import JobNotFound
from tests.sql.factories import make_job, refused


def rivals(conn: psycopg.Connection, job_id: UUID, limit: int = 9) -> list[UUID]:
    return [rival.job_id for rival in list_rivals(conn, job_id=job_id, limit=limit)]


@pytest.mark.parametrize(
    ("theirs", "meets"),
    [("s3://b/out/", True), ("s3://b/", True), ("s3://b/out/sub/", True), ("s3://b/in/", False)],
)
def test_running_job_is_a_rival_if_one_egress_uri_begins_with_the_other(
    conn: psycopg.Connection, theirs: str, *, meets: bool
) -> None:
    other = make_job(conn, egress_uri=theirs).job_id
    mine = make_job(conn, egress_uri="s3://b/out/").job_id

    assert rivals(conn, mine) == ([other] if meets else [])


def test_rivals_are_named_the_oldest_first_up_to_the_limit(conn: psycopg.Connection) -> None:
    first, second, third = (make_job(conn).job_id for _ in range(3))

    assert rivals(conn, second) == [first, third]
    [named] = list_rivals(conn, job_id=second, limit=1)
    assert named.job_name == jobs.describe_job(conn, job_id=first).job_name
    assert named.egress_uri == "s3://out/"


def test_ended_job_is_no_rival(conn: psycopg.Connection) -> None:
    ended, mine = make_job(conn).job_id, make_job(conn).job_id
    jobs.cancel_job(conn, job_id=ended)

    assert rivals(conn, mine) == []


def test_unknown_job_has_no_rivals(conn: psycopg.Connection) -> None:
    with refused(JobNotFound):
        list_rivals(conn, job_id=uuid4(), limit=1)
