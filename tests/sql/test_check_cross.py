"""Crosses that are only checked: what is refused, and what remains of the factors."""

from __future__ import annotations

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from falconeri.db.plans import check_cross, expand_cross
from falconeri.db.pool import translated
from falconeri.errors import InvalidInput
from tests.sql.crosses import begin, made, stage, staged


def refusal(conn: psycopg.Connection, *factors: list[str], check: bool) -> str:
    """What is said of these factors when they are multiplied, or only checked; empty if nothing."""
    with conn.transaction(force_rollback=True):
        job = begin(conn)
        for number, paths in enumerate(factors, start=1):
            stage(conn, job, number, *paths)
        call = check_cross if check else expand_cross
        try:
            with conn.transaction():
                call(conn, job_no=job.job_no, factors=[*range(1, len(factors) + 1)], into=None)
        except psycopg.Error as ex:
            error = translated(ex)
            assert isinstance(error, InvalidInput)
            return str(error)
        assert staged(conn) == 0
        assert not check or made(conn, job) == []
    return ""


_FACTORS = st.lists(
    st.lists(st.sampled_from(["/pfs/a/x", "/pfs/a/x/", "/pfs/a/y", "/pfs/b/x", "/pfs/a/x/z"])),
    min_size=2,
    max_size=3,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(factors=_FACTORS)
def test_what_would_be_refused_is_refused_and_nothing_else(
    conn: psycopg.Connection, factors: list[list[str]]
) -> None:
    assert refusal(conn, *factors, check=True) == refusal(conn, *factors, check=False)


def test_rows_are_handed_on_behind_those_that_are_there(conn: psycopg.Connection) -> None:
    with conn.transaction(force_rollback=True):
        job = begin(conn)
        for number, paths in ((1, "ab"), (2, "cde"), (3, "f")):
            stage(conn, job, number, *(f"/pfs/{number}/{path}" for path in paths))

        count = check_cross(conn, job_no=job.job_no, factors=[1, 2], into=3)

        rows = conn.execute(
            """
            select f.factor, f.first_seq + d.place - 1, d.inputs #>> '{0,local_path}'
            from falconeri.factors f,
              jsonb_array_elements(f.inputs) with ordinality d (inputs, place)
            order by 2
            """
        ).fetchall()
    assert count == 5
    assert rows == [
        (3, place, path)
        for place, path in enumerate(
            ["/pfs/3/f", "/pfs/1/a", "/pfs/1/b", "/pfs/2/c", "/pfs/2/d", "/pfs/2/e"], start=1
        )
    ]


def test_factor_without_rows_leaves_none_to_hand_on(conn: psycopg.Connection) -> None:
    with conn.transaction(force_rollback=True):
        job = begin(conn)
        stage(conn, job, 1, "/pfs/a/x")

        assert check_cross(conn, job_no=job.job_no, factors=[1, 2], into=3) == 0
        assert staged(conn) == 0


def test_handed_on_rows_clash_with_those_of_others(conn: psycopg.Connection) -> None:
    with conn.transaction(force_rollback=True):
        job = begin(conn)
        stage(conn, job, 1, "/pfs/a/x")
        stage(conn, job, 2, "/pfs/b/x")
        stage(conn, job, 4, "/pfs/b/x")
        check_cross(conn, job_no=job.job_no, factors=[1, 2], into=3)

        with pytest.raises(psycopg.Error, match="same local path"):
            check_cross(conn, job_no=job.job_no, factors=[3, 4], into=None)
