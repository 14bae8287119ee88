"""A plan's datums on their way from the buckets to the database: in a file, then in the tables.

The buckets are listed before a connection is taken, so that a slow listing holds no connection; the
file (memory, then disk) lets millions of datums need no memory. Called by `submit`. Knows how to
bring the datums of an atom somewhere; what becomes of them in a cross, SQL knows.
"""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, islice
from typing import IO, TYPE_CHECKING

from falconeri.db import jobs as db_jobs
from falconeri.db import plans as db_plans
from falconeri.errors import TooManyDatums
from falconeri.pipeline.datums import CrossOf, UnionOf
from falconeri.wire import codec

if TYPE_CHECKING:
    from psycopg import Connection

    from falconeri.pipeline.datums import Listing, Plan

SPOOL_BYTES = 8 * 2**20
"""Plans up to this size stay in memory."""


@dataclass(frozen=True)
class SpooledPlan:
    """A plan whose atoms have all been listed."""

    sizes: Plan[int]
    """How many datums each atom has."""
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
        sizes = _Spooler(file, max_datums).keep(plan)
        file.seek(0)
        yield SpooledPlan(sizes, file)


class _Spooler:
    """Fills the file, and leaves endless listings."""

    def __init__(self, file: IO[bytes], max_datums: int) -> None:
        self._file = file
        self._max_datums = max_datums
        # Atoms of m and n make m + n or m * n datums, neither of which is less than m + n - 1: each
        # but the first of an atom makes at least one more (unless a factor of the cross is empty,
        # which nobody means). So no more than this and one for each atom is ever on the disk.
        self._left = max_datums - 1

    def keep(self, plan: Plan[Listing]) -> Plan[int]:
        """Write the datums of all atoms to the file, from left to right, and count them."""
        if isinstance(plan, UnionOf):
            return UnionOf(tuple(map(self.keep, plan.union)))
        if isinstance(plan, CrossOf):
            return CrossOf(tuple(map(self.keep, plan.cross)))
        return self._keep_listing(plan)

    def _keep_listing(self, listing: Listing) -> int:
        size = 0
        for size, inputs in enumerate(listing.datums, start=1):
            if size > 1:
                self._left -= 1
            if self._left < 0:
                raise TooManyDatums(
                    detail=f"more than the limit of {self._max_datums:,} with {listing.uri}"
                )
            self._file.write(codec.encode(inputs) + b"\n")
        return size


def write_datums(conn: Connection, plan: SpooledPlan, *, job_no: int, max_datums: int) -> int:
    """Write the datums of a new job, and return how many; the lines are used up.

    Raises:
        TooManyDatums: ZF011, HTTP 422: before anything is written.
        InvalidInput: Two files of a datum would share a local path.
    """
    total = db_plans.count_datums(conn, plan=plan.sizes, max_datums=max_datums)
    _Writer(conn, job_no, plan.lines).append(plan.sizes, into=None, after=0)
    return total


class _Writer:
    """Walks through a plan and its lines at once."""

    def __init__(self, conn: Connection, job_no: int, lines: IO[bytes]) -> None:
        self._conn = conn
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
            factors = [self._stage(part) for part in plan.cross]
            return db_plans.expand_cross(
                self._conn, job_no=self._job_no, factors=factors, into=into
            )
        lines = islice(self._lines, plan)
        if into is None:
            return db_jobs.copy_datums(self._conn, job_no=self._job_no, datums=lines, after=after)
        return db_plans.copy_factor(
            self._conn, job_no=self._job_no, factor=into, datums=lines, after=after
        )

    def _stage(self, plan: Plan[int]) -> int:
        """Write a factor of its own; return its number."""
        number = next(self._numbers)
        self.append(plan, into=number, after=0)
        return number
