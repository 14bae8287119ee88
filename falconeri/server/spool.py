"""A plan's datums on their way from the buckets to the database: in a file, then in the tables.

The buckets are listed before a connection is taken, so that a slow listing holds no connection; the
file (memory, then disk) lets millions of datums need no memory. Called by `submit`. Knows how to
bring the datums of an atom somewhere; what becomes of them in a cross, SQL knows.
"""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, islice
from typing import IO, TYPE_CHECKING

from falconeri.db import jobs as db_jobs
from falconeri.db import plans as db_plans
from falconeri.errors import TooManyDatums
from falconeri.pipeline.datums import CrossOf, UnionOf
from falconeri.pipeline.extent import ListedAtom, sizes_of
from falconeri.wire import codec

if TYPE_CHECKING:
    from psycopg import Connection

    from falconeri.pipeline.datums import Listing, Plan

SPOOL_BYTES = 8 * 2**20
"""Plans up to this size stay in memory."""

SAMPLED = 10
"""So many of the first datums of an atom are kept, for who only wants to see a plan."""


@dataclass(frozen=True)
class SpooledPlan:
    """A plan whose atoms have all been listed."""

    atoms: Plan[ListedAtom]
    """What was found of each atom."""
    lines: IO[bytes]
    """A line for each of them, from the left atom to the right; our JSON has no line ends in it."""


@contextmanager
def spooled(plan: Plan[Listing], *, max_datums: int) -> Generator[SpooledPlan]:
    """List all atoms of a plan.

    Raises:
        TooManyDatums: A listing was left because no combination of so many could be few enough.
        ObjectNotFound, InvalidInput, StorageError: See `plan_datums`.
    """
    with tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES) as file:
        atoms = _Spooler(file, max_datums).keep(plan)
        file.seek(0)
        yield SpooledPlan(atoms, file)


class _Spooler:
    """Fills the file, and leaves endless listings."""

    def __init__(self, file: IO[bytes], max_datums: int) -> None:
        self._file = file
        self._max_datums = max_datums
        # Atoms of m and n make m + n or m * n datums, neither of which is less than m + n - 1: each
        # but the first of an atom makes at least one more (unless a factor of the cross is empty,
        # which nobody means). So no more than this and one for each atom is ever on the disk.
        self._left = max_datums - 1

    def keep(self, plan: Plan[Listing]) -> Plan[ListedAtom]:
        """Write the datums of all atoms to the file, from left to right."""
        if isinstance(plan, UnionOf):
            return UnionOf(tuple(map(self.keep, plan.union)))
        if isinstance(plan, CrossOf):
            return CrossOf(tuple(map(self.keep, plan.cross)))
        return self._keep_listing(plan)

    def _keep_listing(self, listing: Listing) -> ListedAtom:
        found = ListedAtom(listing.atom, keep=SAMPLED)
        for datum in listing.datums:
            found.note(datum)
            if found.datums > 1:
                self._left -= 1
            if self._left < 0:
                raise TooManyDatums(
                    detail=f"more than the limit of {self._max_datums:,} with {listing.atom.uri}"
                )
            self._file.write(codec.encode(datum.inputs) + b"\n")
        return found


def write_datums(conn: Connection, plan: SpooledPlan, *, job_no: int, max_datums: int) -> int:
    """Write the datums of a new job, and return how many; the lines are used up.

    Raises:
        TooManyDatums: ZF011, HTTP 422: before anything is written.
        InvalidInput: Two files of a datum would share a local path.
    """
    return _walk(_Writer(conn, job_no, plan.lines), plan, max_datums)


def check_datums(conn: Connection, plan: SpooledPlan, *, job_no: int, max_datums: int) -> int:
    """Refuse what `write_datums` would, and return how many datums it would write; none is made.

    Args:
        conn: In a transaction of which nothing will remain.

    Raises:
        TooManyDatums, InvalidInput: See `write_datums`.
    """
    return _walk(_Checker(conn, job_no, plan.lines), plan, max_datums)


def _walk(writer: _Writer, plan: SpooledPlan, max_datums: int) -> int:
    sizes = sizes_of(plan.atoms)
    total = db_plans.count_datums(writer.conn, plan=sizes, max_datums=max_datums)
    writer.append(sizes, into=None, after=0)
    return total


class _Writer:
    """Walks through a plan and its lines at once."""

    def __init__(self, conn: Connection, job_no: int, lines: IO[bytes]) -> None:
        self.conn = conn
        self._job_no = job_no
        self._lines = lines
        self._numbers = count(1)

    def append(self, plan: Plan[int], *, into: int | None, after: int) -> int:
        """Append datums to a factor, or to those of the job (None); return how many.

        Args:
            after: How many there are already.
        """
        if isinstance(plan, UnionOf):
            size = 0
            for part in plan.union:
                size += self.append(part, into=into, after=after + size)
            return size
        if isinstance(plan, CrossOf):
            return self._combine([self._stage(part) for part in plan.cross], into=into)
        lines = islice(self._lines, plan)
        if into is None:
            return self._write(lines, after=after)
        return db_plans.copy_factor(
            self.conn, job_no=self._job_no, factor=into, datums=lines, after=after
        )

    def _combine(self, factors: list[int], *, into: int | None) -> int:
        return db_plans.expand_cross(self.conn, job_no=self._job_no, factors=factors, into=into)

    def _write(self, lines: Iterable[bytes], *, after: int) -> int:
        return db_jobs.copy_datums(self.conn, job_no=self._job_no, datums=lines, after=after)

    def _stage(self, plan: Plan[int]) -> int:
        """Write a factor of its own; return its number."""
        number = next(self._numbers)
        self.append(plan, into=number, after=0)
        return number


class _Checker(_Writer):
    """The same walk, on which nothing is multiplied and no datum is written.

    A factor then has the rows that a cross within it is made of, not their combinations: whether
    two files meet in one place, they tell as well.
    """

    def _combine(self, factors: list[int], *, into: int | None) -> int:
        return db_plans.check_cross(self.conn, job_no=self._job_no, factors=factors, into=into)

    def _write(self, lines: Iterable[bytes], *, after: int) -> int:
        del after
        return sum(1 for _ in lines)
