from __future__ import annotations

import psycopg
import pytest

from falconeri.db.plans import count_datums
from falconeri.db.pool import translated
from falconeri.errors import TooManyDatums
from falconeri.pipeline.datums import CrossOf, Plan, UnionOf

LIMIT = 10_000_000
TIMES = "\N{MULTIPLICATION SIGN}"
MILLION = 1_000_000


def refusal(conn: psycopg.Connection, plan: Plan[int], limit: int = LIMIT) -> TooManyDatums:
    """What the caller of a plan with too many datums is told."""
    with pytest.raises(psycopg.Error) as caught:
        count_datums(conn, plan=plan, max_datums=limit)
    error = translated(caught.value)
    assert isinstance(error, TooManyDatums)
    return error


@pytest.mark.parametrize(
    ("plan", "count"),
    [
        (7, 7),
        (UnionOf((2, 3, 4)), 9),
        (CrossOf((2, 3, 4)), 24),
        (UnionOf(()), 0),
        (CrossOf(()), 0),
        (CrossOf((7,)), 7),
        (CrossOf((5, UnionOf(()))), 0),
        (UnionOf((1, CrossOf((2, UnionOf((3, CrossOf((4, 5)))), 6)))), 1 + 2 * (3 + 4 * 5) * 6),
    ],
    ids=str,
)
def test_unions_add_and_crosses_multiply(
    conn: psycopg.Connection, plan: Plan[int], count: int
) -> None:
    assert count_datums(conn, plan=plan, max_datums=LIMIT) == count


@pytest.mark.parametrize(
    ("reached", "exceeded"),
    [
        (12, 13),
        (UnionOf((5, 7)), UnionOf((6, 7))),
        (CrossOf((3, 4)), CrossOf((13, 1))),
        (UnionOf((CrossOf((3, 3)), 3)), UnionOf((CrossOf((3, 3)), 4))),
    ],
    ids=str,
)
def test_limit_may_be_reached_and_not_exceeded_by_one(
    conn: psycopg.Connection, reached: Plan[int], exceeded: Plan[int]
) -> None:
    assert count_datums(conn, plan=reached, max_datums=12) == 12

    assert "= 13 datums" in f"= {refusal(conn, exceeded, 12).detail}"


@pytest.mark.parametrize(
    ("plan", "arithmetic"),
    [
        (CrossOf((4_000, 3_000)), f"4,000 {TIMES} 3,000 = 12,000,000"),
        (UnionOf((6 * MILLION, 5 * MILLION)), "6,000,000 + 5,000,000 = 11,000,000"),
        (12_345_678, "12,345,678"),
        (CrossOf((MILLION,) * 4), f" {TIMES} ".join(["1,000,000"] * 4) + " = 1" + ",000" * 8),
    ],
    ids=str,
)
def test_refusal_says_how_so_many_come_together(
    conn: psycopg.Connection, plan: Plan[int], arithmetic: str
) -> None:
    error = refusal(conn, plan)

    assert error.detail == f"{arithmetic} datums, the limit is 10,000,000"
    assert error.http_status == 422
    assert "narrower glob" in error.hint
    assert "FALCONERI_MAX_DATUMS" in error.hint


def test_refusal_names_the_part_that_is_too_large(conn: psycopg.Connection) -> None:
    plan = UnionOf((5, CrossOf((2, UnionOf((1, CrossOf((4_000, 3_000))))))))

    assert refusal(conn, plan).detail.startswith(f"4,000 {TIMES} 3,000 = ")


def test_part_of_an_empty_cross_may_not_be_too_large_either(conn: psycopg.Connection) -> None:
    plan = CrossOf((UnionOf((CrossOf((4_000, 3_000)),)), UnionOf(())))

    assert refusal(conn, plan).detail.startswith(f"4,000 {TIMES} 3,000 = ")


def test_refusal_of_ever_so_many_factors_is_a_line(conn: psycopg.Connection) -> None:
    # Their product has 140,000 digits, more than a number of the database can have.
    detail = refusal(conn, CrossOf((LIMIT,) * 20_000)).detail

    assert detail == (
        f" {TIMES} ".join(["10,000,000"] * 8 + ["…"])
        + " (20,000 parts) = more than 10^30 datums, the limit is 10,000,000"
    )


def test_a_thousand_factors_of_one_are_no_more_than_one(conn: psycopg.Connection) -> None:
    assert count_datums(conn, plan=CrossOf((1,) * 1000), max_datums=1) == 1


def test_deepest_input_is_counted(conn: psycopg.Connection) -> None:
    plan: Plan[int] = 2
    for _ in range(31):
        plan = UnionOf((CrossOf((plan, 1)),))

    assert count_datums(conn, plan=plan, max_datums=2) == 2
