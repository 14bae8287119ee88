"""Files packed into datums."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from falconeri.pipeline import groups
from falconeri.pipeline.groups import grouped
from falconeri.pipeline.matches import Match
from falconeri.wire.spec import MAX_FILES, Grouping


def matches(sizes: Iterable[int | None]) -> Iterator[Match]:
    return (Match(f"s3://b/{number}", size) for number, size in enumerate(sizes))


def by_files(count: int, files: int) -> list[int]:
    """How many files the datums have."""
    return [len(group) for group in grouped(matches([1] * count), Grouping(files=files))]


def by_bytes(sizes: list[int], limit: int) -> list[list[int]]:
    """The sizes of the files of each datum."""
    found = grouped(matches(sizes), Grouping(bytes=f"{limit}B"))
    return [[match.size_bytes or 0 for match in group] for group in found]


@pytest.mark.parametrize(
    ("count", "files", "datums"),
    [
        (0, 10, []),
        (1, 10, [1]),
        (10, 10, [10]),
        (11, 10, [6, 5]),
        (101, 100, [51, 50]),
        (10, 4, [4, 3, 3]),
        (3, 1, [1, 1, 1]),
        (1001, 100, [91] * 11),
    ],
)
def test_few_datums_have_equally_many_files(count: int, files: int, datums: list[int]) -> None:
    assert by_files(count, files) == datums


def test_of_many_datums_all_but_the_last_few_are_full() -> None:
    assert by_files(10_001, 10) == [10] * (1001 - groups.EVEN + 23) + [9] * 9


@given(st.integers(0, 3000), st.integers(1, 50))
def test_there_are_as_few_datums_as_can_be(count: int, files: int) -> None:
    datums = by_files(count, files)

    assert len(datums) == -(-count // files)
    assert sum(datums) == count
    assert max(datums, default=0) <= files
    assert max(datums[-groups.EVEN :], default=0) - min(datums, default=0) <= 1


def test_folders_count_as_one_file_each() -> None:
    found = grouped(matches([None, 5, None]), Grouping(files=2))

    assert [[match.size_bytes for match in group] for group in found] == [[None, 5], [None]]


def test_datums_are_as_even_in_bytes_as_the_order_allows() -> None:
    assert by_bytes([6, 1, 1, 1, 1], 9) == [[6], [1, 1, 1, 1]]
    assert by_bytes([1] * 12, 11) == [[1] * 6] * 2


def test_file_that_is_too_large_is_a_datum_of_its_own() -> None:
    assert by_bytes([3, 3, 100, 2, 5], 10) == [[3, 3], [100], [2, 5]]


def test_empty_files_take_no_room() -> None:
    assert by_bytes([0, 0, 10, 0, 10, 0], 10) == [[0, 0, 10, 0], [10, 0]]
    assert by_bytes([0] * 5, 1) == [[0] * 5]


_SIZES = st.lists(st.integers(0, 30), max_size=12)


@given(_SIZES, st.integers(1, 25))
def test_no_cut_into_as_many_datums_has_a_lighter_heaviest_one(
    sizes: list[int], limit: int
) -> None:
    datums = by_bytes(sizes, limit)

    assert [size for datum in datums for size in datum] == sizes
    for datum in datums:
        assert sum(datum) <= limit or len([size for size in datum if size]) == 1
    heaviest = max((min(sum(datum), limit) for datum in datums), default=0)
    assert heaviest == _lightest(sizes, len(datums), limit)
    assert _lightest(sizes, len(datums) - 1, limit) is None or len(datums) < 2


def _lightest(sizes: list[int], datums: int, limit: int) -> int | None:
    """The heaviest datum of the best of all cuts within the limit, or None if there is none."""
    weights = [min(size, limit) for size in sizes]
    if datums < 1:
        return None if weights else 0
    cuts = combinations(range(1, len(weights)), datums - 1) if weights else iter([()])
    heaviest = (
        max(sum(weights[start:end]) for start, end in zip((0, *cut), (*cut, None), strict=True))
        for cut in cuts
    )
    return min((weight for weight in heaviest if weight <= limit), default=None)


@settings(max_examples=50)
@given(st.lists(st.integers(0, 30), max_size=60), st.integers(1, 25))
def test_long_lists_keep_their_limits_too(sizes: list[int], limit: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(groups, "EVEN", 3)
        patch.setattr(groups, "HELD", 20)
        datums = by_bytes(sizes, limit)

    assert [size for datum in datums for size in datum] == sizes
    assert all(datums)
    for datum in datums:
        assert sum(datum) <= limit or len([size for size in datum if size]) == 1


def test_no_datum_has_more_names_than_a_worker_gets_at_once() -> None:
    datums = by_bytes([0] * (2 * MAX_FILES + 1), 10**15)

    assert [len(datum) for datum in datums] == [MAX_FILES, MAX_FILES, 1]


@pytest.mark.parametrize("grouping", [Grouping(files=MAX_FILES), Grouping(bytes="1PiB")])
def test_files_are_held_back_but_not_very_many(grouping: Grouping) -> None:
    listing = matches([1] * 100_000)

    first = next(grouped(listing, grouping))

    assert len(first) == MAX_FILES
    assert next(listing).uri == f"s3://b/{groups.HELD + 1}"
