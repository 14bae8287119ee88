"""Crosses, factor by factor; whole plans are in tests/server/test_spool.py."""

from __future__ import annotations

from itertools import combinations, product

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from falconeri.db import jobs, plans
from falconeri.db.jobs import NewJobKey
from falconeri.db.plans import expand_cross
from falconeri.db.pool import translated
from falconeri.errors import InvalidInput
from falconeri.states import JobStatus
from tests.conftest import Connect
from tests.sql.crosses import Paths, begin, encoded, made, stage, staged
from tests.sql.factories import progress, value


def cross(conn: psycopg.Connection, job: NewJobKey, *factors: list[str]) -> int:
    """Stage factors of one input a datum, multiply them into the job's datums, count these."""
    for number, paths in enumerate(factors, start=1):
        stage(conn, job, number, *paths)
    numbers = list(range(1, len(factors) + 1))
    return expand_cross(conn, job_no=job.job_no, factors=numbers, into=None)


def names(repo: str, count: int) -> list[str]:
    return [f"/pfs/{repo}/{number}" for number in range(count)]


def test_first_factor_changes_most_slowly(conn: psycopg.Connection) -> None:
    x, y, z = names("x", 2), names("y", 3), names("z", 2)

    with conn.transaction():
        job = begin(conn)
        count = cross(conn, job, x, y, z)

    assert count == 12
    assert made(conn, job) == list(product(x, y, z))


@pytest.mark.parametrize("sizes", [(1, 5, 4, 3), (4, 1, 2, 5), (3, 4, 5, 1), (2, 2, 2, 2)], ids=str)
def test_order_does_not_depend_on_what_is_multiplied_first(
    conn: psycopg.Connection, sizes: tuple[int, ...]
) -> None:
    factors = [names(f"r{place}", size) for place, size in enumerate(sizes)]

    with conn.transaction():
        job = begin(conn)
        cross(conn, job, *factors)

    assert made(conn, job) == list(product(*factors))


def test_job_of_a_cross_is_one_like_any_other(conn: psycopg.Connection) -> None:
    with conn.transaction():
        job = begin(conn)
        cross(conn, job, names("x", 20), names("y", 30))
        jobs.start_job(conn, job_no=job.job_no)

    assert progress(conn, job).ready == progress(conn, job).total == 600


def test_combinations_follow_the_datums_that_are_there(conn: psycopg.Connection) -> None:
    with conn.transaction():
        job = begin(conn)
        before = encoded([("/pfs/a/1",), ("/pfs/a/2",)])
        jobs.copy_datums(conn, job_no=job.job_no, datums=before)
        cross(conn, job, names("x", 1), names("y", 2))
        jobs.copy_datums(conn, job_no=job.job_no, datums=encoded([("/pfs/a/3",)]), after=4)

    assert made(conn, job) == [
        ("/pfs/a/1",),
        ("/pfs/a/2",),
        ("/pfs/x/0", "/pfs/y/0"),
        ("/pfs/x/0", "/pfs/y/1"),
        ("/pfs/a/3",),
    ]


def test_combinations_follow_the_rows_of_another_factor(conn: psycopg.Connection) -> None:
    x, y, z = names("x", 2), names("y", 2), names("z", 2)
    with conn.transaction():
        job = begin(conn)
        stage(conn, job, 1, "/pfs/a/1")
        for number, paths in ((2, x), (3, y), (4, z)):
            stage(conn, job, number, *paths)
        assert expand_cross(conn, job_no=job.job_no, factors=[2, 3], into=1) == 4
        assert expand_cross(conn, job_no=job.job_no, factors=[1, 4], into=None) == 10

    left: list[Paths] = [("/pfs/a/1",), *product(x, y)]
    assert made(conn, job) == [(*paths, last) for paths in left for last in z]
    assert staged(conn) == 0


@pytest.mark.parametrize("empty", range(3))
def test_empty_factor_leaves_nothing_to_combine(conn: psycopg.Connection, empty: int) -> None:
    # Not even paths that two others share: no datum has both.
    factors = [names("same", 2) for _ in range(3)]
    factors[empty] = []

    with conn.transaction():
        job = begin(conn)
        count = cross(conn, job, *factors)
        jobs.start_job(conn, job_no=job.job_no)

    assert count == 0
    assert staged(conn) == 0
    assert progress(conn, job).status is JobStatus.DONE


def test_factors_are_used_up(conn: psycopg.Connection) -> None:
    with conn.transaction():
        cross(conn, begin(conn), *(names(f"r{i}", 2) for i in range(5)))

        assert staged(conn) == 0


def test_nothing_is_left_of_a_job_that_failed(conn: psycopg.Connection) -> None:
    with pytest.raises(psycopg.Error), conn.transaction():
        cross(conn, begin(conn), names("same", 3), names("same", 3))

    assert staged(conn) == 0
    assert jobs.list_jobs(conn).jobs == []


def test_rows_are_written_in_the_order_in_which_they_will_be_read(
    conn: psycopg.Connection,
) -> None:
    with conn.transaction():
        job = begin(conn)
        stage(conn, job, 1, *names("x", 2))
        stage(conn, job, 2, *names("y", 3000))
        # Now that it knows their sizes, a planner with the choice would go through y but once.
        conn.execute("analyze falconeri.factors")
        expand_cross(conn, job_no=job.job_no, factors=[1, 2], into=None)

    in_order = value(
        conn,
        """
        select bool_and(d.ctid > d.before) from (
          select ctid, lag(ctid, 1, '(0,0)') over (order by first_seq) as before
          from falconeri.datum_chunks
        ) d
        """,
    )
    assert in_order


def test_jobs_created_at_once_do_not_meet(conn: psycopg.Connection, connect: Connect) -> None:
    other = connect()
    x, y = names("x", 3), names("y", 2)

    with conn.transaction():
        first = begin(conn)
        stage(conn, first, 1, *x)
        with other.transaction():
            second = begin(other)
            cross(other, second, y, x)
        stage(conn, first, 2, *y)
        expand_cross(conn, job_no=first.job_no, factors=[1, 2], into=None)

    assert made(conn, first) == list(product(x, y))
    assert made(conn, second) == list(product(y, x))


def test_falconerids_role_may_do_it(conn: psycopg.Connection) -> None:
    conn.execute("set role falconeri_server")

    with conn.transaction():
        job = begin(conn)
        plans.count_datums(conn, plan=4, max_datums=4)
        cross(conn, job, names("x", 2), names("y", 2))

    assert len(made(conn, job)) == 4


# --- Local paths ------------------------------------------------------------------------


def refusal(conn: psycopg.Connection, *factors: list[str]) -> InvalidInput:
    """What is said of factors that can't be combined."""
    with pytest.raises(psycopg.Error) as caught, conn.transaction():
        cross(conn, begin(conn), *factors)
    error = translated(caught.value)
    assert type(error) is InvalidInput
    return error


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("/pfs/r/a", "/pfs/r/a"),
        ("/pfs/r/a/", "/pfs/r/a/"),
        ("/pfs/r/a", "/pfs/r/a/"),
        ("/pfs/r/", "/pfs/r/a"),
        ("/pfs/r/a/", "/pfs/r/a/b/c.txt"),
    ],
)
def test_inputs_in_one_place_are_refused_by_name(
    conn: psycopg.Connection, left: str, right: str
) -> None:
    for one, two in ((left, right), (right, left)):
        error = refusal(conn, ["/pfs/r/x", one], ["/pfs/r/y", two, "/pfs/r/z"])

        assert error.message == "two inputs of one datum have the same local path"
        assert f"s3://in{one} as {one}" in error.detail
        assert f"s3://in{two} as {two}" in error.detail
        assert error.hint == "give each part of a cross a repo of its own"


def test_factors_far_apart_may_not_share_a_path_either(conn: psycopg.Connection) -> None:
    error = refusal(conn, ["/pfs/r/a"], names("x", 2), ["/pfs/r/a"])

    assert error.detail == "s3://in/pfs/r/a as /pfs/r/a, s3://in/pfs/r/a as /pfs/r/a"


def test_every_input_of_a_row_counts(conn: psycopg.Connection) -> None:
    rows: list[Paths] = [("/pfs/x/1", "/pfs/r/1"), ("/pfs/x/1", "/pfs/r/2")]
    with conn.transaction(force_rollback=True):
        job = begin(conn)
        plans.copy_factor(conn, job_no=job.job_no, factor=1, datums=encoded(rows))
        stage(conn, job, 2, "/pfs/r/2")

        with pytest.raises(psycopg.Error, match="same local path"):
            expand_cross(conn, job_no=job.job_no, factors=[1, 2], into=None)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (["/pfs/r/a"], ["/pfs/r/a.txt", "/pfs/r/a!/", "/pfs/r/A"]),
        (["/pfs/r/a/b"], ["/pfs/r/a/c", "/pfs/r/b"]),
        (["/pfs/r/a", "/pfs/r/a"], ["/pfs/s/a", "/pfs/rr/a"]),
    ],
    ids=str,
)
def test_repo_may_be_shared_by_different_names(
    conn: psycopg.Connection, left: list[str], right: list[str]
) -> None:
    with conn.transaction():
        job = begin(conn)
        cross(conn, job, left, right)

    assert made(conn, job) == list(product(left, right))


_PATHS = st.lists(st.sampled_from("ab"), max_size=3).map("/".join)
_FACTORS = st.lists(
    st.lists(
        st.tuples(st.sampled_from("rs"), _PATHS, st.sampled_from(["", "/"])).map(
            lambda t: f"/pfs/{t[0]}/{t[1]}{t[2]}" if t[1] else f"/pfs/{t[0]}/"
        ),
        min_size=1,
        max_size=3,
    ),
    min_size=2,
    max_size=3,
)


def clash(datum: Paths) -> bool:
    places = [f"{path.rstrip('/')}/" for path in datum]
    return any(a.startswith(b) or b.startswith(a) for a, b in combinations(places, 2))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(factors=_FACTORS)
def test_factors_are_refused_if_one_of_their_combinations_is_impossible(
    conn: psycopg.Connection, factors: list[list[str]]
) -> None:
    if any(map(clash, product(*factors))):
        refusal(conn, *factors)
    else:
        with conn.transaction():
            job = begin(conn)
            cross(conn, job, *factors)
        assert made(conn, job) == list(product(*factors))
