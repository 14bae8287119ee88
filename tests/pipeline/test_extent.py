"""Bytes and first datums of plans, against what itertools says."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falconeri.pipeline.datums import CrossOf, Inputs, ListedDatum, Plan, UnionOf
from falconeri.pipeline.extent import (
    SHOWN,
    Extent,
    ListedAtom,
    atoms_of,
    extent_of,
    first_datums,
    sizes_of,
)
from falconeri.wire.plan import PlannedDatum
from falconeri.wire.spec import Atom
from falconeri.wire.work import InputRef

Shape = list[int | None] | tuple[str, list[Any]]
"""The sizes of an atom's datums, or a kind of combination with its parts."""

KEEP = 4
Sized = tuple[Inputs, int, bool]
"""A datum, its known bytes, and whether these are all."""


def inputs(number: int) -> Inputs:
    return [InputRef(f"s3://b/{number}", f"/pfs/a/{number}")]


def plan_of(shape: Shape) -> Plan[ListedAtom]:
    if isinstance(shape, list):
        atom = ListedAtom(Atom("s3://b/", "a", "/*"), keep=KEEP)
        for number, size_bytes in enumerate(shape):
            exact = size_bytes is not None
            atom.note(ListedDatum(inputs(number), size_bytes or 0, exact=exact))
        return atom
    kind, parts = shape
    plans = tuple(map(plan_of, parts))
    return UnionOf(plans) if kind == "union" else CrossOf(plans)


def expand(shape: Shape) -> list[Sized]:
    """All datums of it."""
    if isinstance(shape, list):
        return [
            (inputs(number), size_bytes or 0, size_bytes is not None)
            for number, size_bytes in enumerate(shape)
        ]
    kind, parts = shape
    lists = [expand(part) for part in parts]
    if kind == "union":
        return list(chain.from_iterable(lists))
    return [joined(row) for row in product(*lists)]


def joined(row: Sequence[Sized]) -> Sized:
    return (
        [ref for refs, _, _ in row for ref in refs],
        sum(size_bytes for _, size_bytes, _ in row),
        all(exact for _, _, exact in row),
    )


_SHAPES: st.SearchStrategy[Shape] = st.recursive(
    st.lists(st.none() | st.integers(0, 2**40), max_size=6),
    lambda parts: st.one_of(
        st.tuples(st.just("union"), st.lists(parts, max_size=3)),
        st.tuples(st.just("cross"), st.lists(parts, min_size=2, max_size=3)),
    ),
    max_leaves=5,
)


@given(_SHAPES)
def test_extent_is_that_of_all_datums(shape: Shape) -> None:
    datums = expand(shape)
    sizes = [size_bytes for _, size_bytes, _ in datums]

    assert extent_of(plan_of(shape)) == Extent(
        len(datums),
        sum(sizes),
        min(sizes, default=0),
        max(sizes, default=0),
        exact=all(exact for _, _, exact in datums),
    )


@given(_SHAPES)
def test_first_datums_are_the_first_of_all(shape: Shape) -> None:
    assert first_datums(plan_of(shape), KEEP) == [
        PlannedDatum(len(refs), refs[:SHOWN]) for refs, _, _ in expand(shape)[:KEEP]
    ]


def test_long_datums_are_cut_short_also_in_a_cross() -> None:
    atom = ListedAtom(Atom("s3://b/", "a", "/**"), keep=KEEP)
    refs = [inputs(number)[0] for number in range(1000)]
    atom.note(ListedDatum(refs, 1000))

    assert first_datums(atom, 1) == [PlannedDatum(1000, refs[:SHOWN])]
    assert first_datums(CrossOf((atom, plan_of([1]), atom)), 1) == [
        PlannedDatum(2001, refs[:SHOWN])
    ]
    assert (atom.datums, atom.matches) == (1, 1000)


def test_first_datums_of_a_vast_cross_are_had_at_once() -> None:
    hundred: Shape = [1 for _ in range(100)]
    vast = CrossOf((plan_of(hundred),) * 40)

    assert len(first_datums(vast, 3)) == 3
    assert extent_of(vast).datums == 100**40


def test_atoms_keep_their_order_and_plans_their_form() -> None:
    plan = plan_of(("union", [[1], ("cross", [[1, 1], [1, 1, 1]]), []]))

    assert sizes_of(plan) == UnionOf((1, CrossOf((2, 3)), 0))
    assert [atom.datums for atom in atoms_of(plan)] == [1, 2, 3, 0]


@pytest.mark.parametrize(("sizes", "mean"), [([], 0), ([1, 2], 1), ([None, 7], 3)])
def test_mean_is_rounded_down(sizes: list[int | None], mean: int) -> None:
    assert extent_of(plan_of(sizes)).mean_bytes == mean
