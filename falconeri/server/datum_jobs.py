"""Which job a datum belongs to, remembered: a worker may touch only the datums of its own.

A datum never changes its job. So what was handed out here, or was asked about once, need not be
asked of the database with each of the three or four calls that an attempt makes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from falconeri.db import datums as db_datums

if TYPE_CHECKING:
    from psycopg import Connection

SIZE = 10_000
"""So many are remembered: twice the workers that one falconerid is meant for. At most 10 MB."""


class DatumJobs:
    """Safe to use from every thread."""

    def __init__(self, size: int = SIZE) -> None:
        self._size = size
        self._young: dict[UUID, UUID] = {}
        self._old: dict[UUID, UUID] = {}

    def belongs(self, conn: Connection, datum_id: UUID, job_id: UUID) -> bool:
        """Whether a datum is one of a job's.

        Raises:
            DatumNotFound: ZF002, HTTP 404.
        """
        if job_id in (self._young.get(datum_id), self._old.get(datum_id)):
            return True
        # A "no" is always the database's: it could be another one than before, from a backup.
        found = db_datums.find_job_of_datum(conn, datum_id=datum_id)
        self.note(datum_id, found)
        return found == job_id

    def note(self, datum_id: UUID, job_id: UUID) -> None:
        """Remember it; in time the older half is forgotten."""
        if len(self._young) >= self._size:
            self._old, self._young = self._young, {}
        self._young[datum_id] = job_id
