"""Several files in one datum: as few datums as the limits allow, in order, and as even as that is.

Called by the plan. Files are packed while they are listed: a datum is full when the next file
doesn't fit. The datums packed last are held back, and in the end their files are spread evenly over
as many. So the datums are alike if there are few; if there are many, all but the last few are full.
Needs memory for some ten thousand files.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, chain

from falconeri.pipeline.matches import Match
from falconeri.wire.spec import MAX_FILES, Grouping

EVEN = 32
"""How many datums are held back, or ..."""

HELD = 2 * MAX_FILES
"""... as many as have this number of files, but at least two."""


def grouped(matches: Iterable[Match], grouping: Grouping) -> Iterator[list[Match]]:
    """Pack what a glob has found into datums, in the order given.

    None is empty, and none is larger than `grouping` says, unless it is because of a single file.

    Args:
        matches: If the grouping is by bytes, with their sizes.
    """
    limits = _limits(grouping)
    held: deque[list[Match]] = deque([[]])
    weight = files = 0
    for match in matches:
        more = limits.weigh(match)
        if weight + more > limits.weight or len(held[-1]) == limits.files:
            held.append([])
            weight = 0
        held[-1].append(match)
        weight += more
        files += 1
        while len(held) > EVEN or (files > HELD and len(held) > 2):  # noqa: PLR2004 (see `HELD`)
            files -= len(held[0])
            yield held.popleft()
    yield from _spread(list(chain.from_iterable(held)), len(held), limits)


@dataclass(frozen=True)
class _Limits:
    """What a datum may be; the weight of a file is one, or its bytes."""

    files: int
    weight: int
    counts_bytes: bool

    def weigh(self, match: Match) -> int:
        """One that is too large weighs as much as is allowed: nothing else goes with it."""
        return min(match.size_bytes or 0, self.weight) if self.counts_bytes else 1


def _limits(grouping: Grouping) -> _Limits:
    files, size_bytes = grouping.max_files, grouping.max_bytes
    return _Limits(files, size_bytes or files, counts_bytes=size_bytes is not None)


def _spread(matches: list[Match], datums: int, limits: _Limits) -> Iterator[list[Match]]:
    """Cut a list into so many datums, the heaviest of which is as light as can be."""
    weights = [limits.weigh(match) for match in matches]
    sums = [0, *accumulate(weights)]
    start = 0
    for left in range(datums, 1, -1):
        rest = weights[start:]
        if not rest:
            return
        lightest = range(max(rest), min(sum(rest), limits.weight) + 1)

        def suffices(weight: int, start: int = start, left: int = left) -> bool:
            return _count(sums, start, weight, limits.files) <= left

        weight = lightest[bisect_left(lightest, x=True, key=suffices)]
        end = _end(sums, start, weight, limits.files)
        yield matches[start:end]
        start = end
    if matches[start:]:
        yield matches[start:]


def _count(sums: list[int], start: int, weight: int, files: int) -> int:
    """How many datums there are from `start` on if none is heavier than this."""
    count = 0
    while start < len(sums) - 1:
        start = _end(sums, start, weight, files)
        count += 1
    return count


def _end(sums: list[int], start: int, weight: int, files: int) -> int:
    """Where the datum ends that begins at `start`."""
    return min(bisect_right(sums, sums[start] + weight) - 1, start + files)
