"""The rungs of jobs with a ladder of memory. Source: sql/functions/job/.

Called by the babysitter, which has workers made for them, and by who describes a job.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from msgspec import Struct

from falconeri.db.rows import record
from falconeri.wire.records import MemoryRung

if TYPE_CHECKING:
    from psycopg import Connection


class SizedRung(Struct, frozen=True):
    """A rung above the lowest of a running job, and how many workers it should have now."""

    job_id: UUID
    rung: int
    memory: str
    workers: int


def size_rungs(conn: Connection) -> list[SizedRung]:
    """How many workers each rung above the lowest should have; those that need none are left out.

    To be called again and again, by any number of babysitters.
    """
    with conn.cursor(row_factory=record(SizedRung)) as cursor:
        return cursor.execute("select * from falconeri.size_rungs()").fetchall()


def list_rungs(conn: Connection, *, job_id: UUID) -> list[MemoryRung]:
    """The rungs of a job's ladder, the lowest first; none if it has no ladder.

    Raises:
        JobNotFound: ZF001, HTTP 404.
    """
    with conn.cursor(row_factory=record(MemoryRung)) as cursor:
        return cursor.execute("select * from falconeri.list_rungs(%s)", (job_id,)).fetchall()
