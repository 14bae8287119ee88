"""How much a plan is: bytes of its datums, and the first few of them, without multiplying any.

Called by falconerid's planning with what was counted while the atoms were listed. How many datums
there are and whether that is too many, SQL decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import chain, islice, product

from falconeri.pipeline.datums import CrossOf, ListedDatum, Plan, UnionOf
from falconeri.wire.plan import PlannedDatum
from falconeri.wire.spec import Atom

SHOWN = 10
"""So many inputs of a datum are kept: a group may have thousands."""


@dataclass(frozen=True)
class Extent:
    """Of some datums; of none, all is 0."""

    datums: int = 0
    total_bytes: int = 0
    smallest_bytes: int = 0
    largest_bytes: int = 0
    exact: bool = True
    """False: there are folders among them that weren't looked into, which count as nothing."""

    def __add__(self, other: Extent) -> Extent:
        """These datums and those."""
        if not self.datums or not other.datums:
            return self if self.datums else other
        return Extent(
            self.datums + other.datums,
            self.total_bytes + other.total_bytes,
            min(self.smallest_bytes, other.smallest_bytes),
            max(self.largest_bytes, other.largest_bytes),
            self.exact and other.exact,
        )

    def __mul__(self, other: Extent) -> Extent:
        """Each of these together with each of those."""
        if not self.datums or not other.datums:
            return Extent()
        return Extent(
            self.datums * other.datums,
            self.total_bytes * other.datums + other.total_bytes * self.datums,
            self.smallest_bytes + other.smallest_bytes,
            self.largest_bytes + other.largest_bytes,
            self.exact and other.exact,
        )

    @property
    def mean_bytes(self) -> int:
        """Rounded down."""
        return self.total_bytes // max(self.datums, 1)


class ListedAtom:
    """What is remembered of an atom's datums while they go by: there may be millions.

    Args:
        atom: Whose datums they are.
        keep: How many of the first ones are kept.
    """

    def __init__(self, atom: Atom, *, keep: int) -> None:
        self.atom = atom
        self.datums = 0
        self.matches = 0
        self.first: list[PlannedDatum] = []
        self._keep = keep
        self._total_bytes = 0
        self._smallest_bytes: int | None = None
        self._largest_bytes = 0
        self._exact = True

    def note(self, datum: ListedDatum) -> None:
        """Take the next one into account."""
        size_bytes = datum.size_bytes
        self._exact = self._exact and datum.exact
        self.datums += 1
        self.matches += len(datum.inputs)
        self._total_bytes += size_bytes
        if self._smallest_bytes is None or size_bytes < self._smallest_bytes:
            self._smallest_bytes = size_bytes
        self._largest_bytes = max(self._largest_bytes, size_bytes)
        if self.datums <= self._keep:
            self.first.append(PlannedDatum(len(datum.inputs), datum.inputs[:SHOWN]))

    @property
    def extent(self) -> Extent:
        """How much they are so far."""
        return Extent(
            self.datums,
            self._total_bytes,
            self._smallest_bytes or 0,
            self._largest_bytes,
            exact=self._exact,
        )


def extent_of(plan: Plan[ListedAtom]) -> Extent:
    """How much all datums of a plan are."""
    if isinstance(plan, UnionOf):
        return reduce(Extent.__add__, map(extent_of, plan.union), Extent())
    if isinstance(plan, CrossOf):
        return reduce(Extent.__mul__, map(extent_of, plan.cross))
    return plan.extent


def first_datums(plan: Plan[ListedAtom], count: int) -> list[PlannedDatum]:
    """The first datums of a plan, in the order in which the database makes them.

    Args:
        count: At most so many, and no more than each atom has kept.
    """
    return list(islice(_datums(plan, count), count))


def atoms_of(plan: Plan[ListedAtom]) -> list[ListedAtom]:
    """The atoms of a plan, from left to right."""
    if isinstance(plan, UnionOf):
        return [atom for part in plan.union for atom in atoms_of(part)]
    if isinstance(plan, CrossOf):
        return [atom for part in plan.cross for atom in atoms_of(part)]
    return [plan]


def sizes_of(plan: Plan[ListedAtom]) -> Plan[int]:
    """The same plan with the number of each atom's datums: what SQL reads."""
    if isinstance(plan, UnionOf):
        return UnionOf(tuple(map(sizes_of, plan.union)))
    if isinstance(plan, CrossOf):
        return CrossOf(tuple(map(sizes_of, plan.cross)))
    return plan.datums


def _datums(plan: Plan[ListedAtom], count: int) -> Iterator[PlannedDatum]:
    if isinstance(plan, UnionOf):
        return chain.from_iterable(_datums(part, count) for part in plan.union)
    if isinstance(plan, CrossOf):
        # Not even all of these are made: the last factor alone has enough for the first rows.
        factors = [list(islice(_datums(part, count), count)) for part in plan.cross]
        return map(_joined, product(*factors))
    return iter(plan.first)


def _joined(row: Sequence[PlannedDatum]) -> PlannedDatum:
    inputs = chain.from_iterable(part.inputs for part in row)
    return PlannedDatum(sum(part.input_count for part in row), list(islice(inputs, SHOWN)))
