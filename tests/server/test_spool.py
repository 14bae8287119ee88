"""From listings to a job's datums, against what itertools says."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, product
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from falconeri.db import jobs
from falconeri.db.pool import translated
from falconeri.errors import ObjectNotFound, TooManyDatums
from falconeri.pipeline.datums import CrossOf, ListedDatum, Listing, Plan, UnionOf
from falconeri.pipeline.extent import extent_of
from falconeri.server import spool
from falconeri.server.spool import check_datums, spooled, write_datums
from falconeri.wire.spec import Atom
from falconeri.wire.work import InputRef
from tests.sql.crosses import Paths, begin, made, staged

Shape = int | tuple[str, list[Any]]
"""An atom with so many files, or a kind of combination with its parts."""


def listing(repo: str, files: Iterable[object]) -> Listing:
    """An atom whose files have these names."""
    uri = f"s3://bucket/{repo}/"
    return Listing(
        Atom(uri, repo, "/*"),
        (
            ListedDatum([InputRef(f"{uri}{file}", f"/pfs/{repo}/{file}")], size_bytes)
            for size_bytes, file in enumerate(files, start=1)
        ),
    )


def plan_of(shape: Shape, repos: Iterator[int]) -> Plan[Listing]:
    """The plan of a shape, each of its atoms with a repo of its own."""
    if isinstance(shape, int):
        return listing(f"r{next(repos)}", range(shape))
    kind, parts = shape
    plans = tuple(plan_of(part, repos) for part in parts)
    return UnionOf(plans) if kind == "union" else CrossOf(plans)


def expected(shape: Shape, repos: Iterator[int]) -> list[Paths]:
    """The datums that it should have."""
    if isinstance(shape, int):
        repo = next(repos)
        return [(f"/pfs/r{repo}/{file}",) for file in range(shape)]
    kind, parts = shape
    lists = [expected(part, repos) for part in parts]
    if kind == "union":
        return list(chain.from_iterable(lists))
    return [tuple(chain.from_iterable(rows)) for rows in product(*lists)]


def write(conn: psycopg.Connection, plan: Plan[Listing], max_datums: int = 10_000) -> list[Paths]:
    """Make a job of a plan and take it back; its datums."""
    with spooled(plan, max_datums=max_datums) as lines, conn.transaction(force_rollback=True):
        job = begin(conn)
        count = write_datums(conn, lines, job_no=job.job_no, max_datums=max_datums)
        jobs.start_job(conn, job_no=job.job_no)
        datums = made(conn, job)
        assert count == len(datums)
        assert staged(conn) == 0
        assert lines.lines.read() == b""
    return datums


_EXAMPLES: list[Shape] = [
    3,
    ("union", [2, 1, 3]),
    ("cross", [2, 3]),
    # A union in a cross in a union, with a cross in that.
    ("union", [2, ("cross", [("union", [1, ("cross", [2, 2]), 2]), 3]), 1]),
    ("cross", [("cross", [2, 2]), ("cross", [2, ("union", [1, 1])])]),
    ("union", [("cross", [2, 2]), ("cross", [2, ("union", [])]), 1]),
    ("union", []),
]


@pytest.mark.parametrize("shape", _EXAMPLES, ids=str)
def test_datums_come_in_the_order_of_the_plan(conn: psycopg.Connection, shape: Shape) -> None:
    assert write(conn, plan_of(shape, iter(range(99)))) == expected(shape, iter(range(99)))


_SHAPES: st.SearchStrategy[Shape] = st.recursive(
    st.integers(0, 3),
    lambda parts: st.one_of(
        st.tuples(st.just("union"), st.lists(parts, max_size=3)),
        st.tuples(st.just("cross"), st.lists(parts, min_size=2, max_size=4)),
    ),
    max_leaves=7,
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(shape=_SHAPES)
def test_database_combines_as_itertools_do(conn: psycopg.Connection, shape: Shape) -> None:
    assert write(conn, plan_of(shape, iter(range(99)))) == expected(shape, iter(range(99)))


def test_atoms_may_share_a_repo(conn: psycopg.Connection) -> None:
    plan = CrossOf((UnionOf((listing("r", "ab"), listing("r", "ab"))), listing("r", "cd")))

    assert len(write(conn, plan)) == 8


# --- The limit --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "count"),
    [
        (12, 12),
        (("union", [6, 6]), 12),
        (("cross", [12, 1]), 12),
        (("cross", [3, ("union", [2, 2])]), 12),
        (("cross", [1, 1, 1, 12, 1]), 12),
    ],
    ids=str,
)
def test_limit_may_be_reached(conn: psycopg.Connection, shape: Shape, count: int) -> None:
    assert len(write(conn, plan_of(shape, iter(range(99))), max_datums=count)) == count


@pytest.mark.parametrize(
    "shape",
    [13, ("union", [6, 7]), ("cross", [13, 1]), ("union", [("cross", [3, 4]), 1])],
    ids=str,
)
def test_limit_may_not_be_exceeded_by_one(conn: psycopg.Connection, shape: Shape) -> None:
    with pytest.raises((TooManyDatums, psycopg.Error)) as caught:
        write(conn, plan_of(shape, iter(range(99))), max_datums=12)

    error = caught.value
    assert isinstance(
        translated(error) if isinstance(error, psycopg.Error) else error, TooManyDatums
    )
    assert staged(conn) == 0
    assert jobs.list_jobs(conn).jobs == []


def taken(plan: Plan[Listing], files: Iterator[int], max_datums: int) -> tuple[int, str]:
    """How many files were listed before the plan was refused, and the error's detail."""
    with pytest.raises(TooManyDatums) as caught, spooled(plan, max_datums=max_datums):
        pass
    return next(files), caught.value.detail


def test_endless_listing_is_left_at_the_limit() -> None:
    files = iter(range(5_000))

    assert taken(listing("endless", files), files, 1_000) == (
        1_001,
        "more than the limit of 1,000 with s3://bucket/endless/",
    )


@pytest.mark.parametrize("kind", [UnionOf, CrossOf])
def test_listings_are_left_as_soon_as_no_combination_can_be_small_enough(
    kind: type[UnionOf[Listing] | CrossOf[Listing]],
) -> None:
    files = iter(range(5_000))
    plan = kind((listing("a", range(400)), listing("b", range(1)), listing("c", files)))

    assert taken(plan, files, 1_000)[0] == 602


def test_factors_whose_product_is_too_large_are_not_even_staged(conn: psycopg.Connection) -> None:
    plan = CrossOf((listing("a", range(100)), listing("b", range(101))))
    with spooled(plan, max_datums=10_000) as lines, conn.transaction(force_rollback=True):
        job = begin(conn)

        with pytest.raises(psycopg.errors.Error) as caught:
            write_datums(conn, lines, job_no=job.job_no, max_datums=10_000)

        assert lines.lines.tell() == 0
    error = translated(caught.value)
    assert isinstance(error, TooManyDatums)
    assert error.detail.endswith("101 = 10,100 datums, the limit is 10,000")


# --- Reading and keeping ----------------------------------------------------------------


def test_error_of_the_last_listing_comes_before_anything_is_written() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise ObjectNotFound(detail="s3://bucket/b/")

    plan = CrossOf((listing("a", range(3)), listing("b", broken())))

    with pytest.raises(ObjectNotFound), spooled(plan, max_datums=100):
        pytest.fail("the plan was given on")


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(shape=_SHAPES)
def test_plan_that_is_only_checked_has_as_many_datums(
    conn: psycopg.Connection, shape: Shape
) -> None:
    plan = plan_of(shape, iter(range(99)))
    with spooled(plan, max_datums=10_000) as lines, conn.transaction(force_rollback=True):
        job = begin(conn)

        count = check_datums(conn, lines, job_no=job.job_no, max_datums=10_000)

        assert (made(conn, job), staged(conn), lines.lines.read()) == ([], 0, b"")
    assert count == len(expected(shape, iter(range(99))))


@pytest.mark.parametrize("name", ["\\", '"', "tab\there", "line\nend", "é 𝄞", "\\N", "\\."])
def test_names_arrive_as_they_are(conn: psycopg.Connection, name: str) -> None:
    assert write(conn, CrossOf((listing("a", [name]), listing("b", [name])))) == [
        (f"/pfs/a/{name}", f"/pfs/b/{name}")
    ]


Walk = Callable[..., int]


def peak_bytes(conn: psycopg.Connection, count: int, walk: Walk, *, factor: bool) -> int:
    """The most memory that Python needed to make, or check, a job of so many datums."""
    atom = listing("many", range(count))
    plan = CrossOf((listing("one", "1"), atom)) if factor else atom
    tracemalloc.start()
    try:
        with spooled(plan, max_datums=count) as lines, conn.transaction(force_rollback=True):
            job = begin(conn)
            assert walk(conn, lines, job_no=job.job_no, max_datums=count) == count
            assert extent_of(lines.atoms).datums == count
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("walk", "factor"),
    [(write_datums, False), (write_datums, True), (check_datums, True)],
)
def test_ten_times_as_many_datums_need_no_more_memory(
    conn: psycopg.Connection, monkeypatch: pytest.MonkeyPatch, walk: Walk, *, factor: bool
) -> None:
    monkeypatch.setattr(spool, "SPOOL_BYTES", 2**16)  # far less than either needs

    few = peak_bytes(conn, 20_000, walk, factor=factor)
    many = peak_bytes(conn, 200_000, walk, factor=factor)

    assert many < 1.5 * few
