"""Why workers don't work yet, as the cluster says. Source: sql/functions/job/.

Called by the babysitter, which notes all of it again and again, and by who describes a job.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast
from uuid import UUID

from msgspec import Struct

from falconeri.db.rows import record
from falconeri.wire.codec import text
from falconeri.wire.records import Wait

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import Connection


class JobWait(Struct, frozen=True):
    """Why so many workers of a job don't work yet."""

    job_id: UUID
    reason: str
    """One word in lower case."""
    message: str
    pod_count: int


def note_waits(conn: Connection, *, waits: Sequence[JobWait]) -> int:
    """Note why workers don't work yet, in place of what was noted before; a repeat is fine.

    Args:
        waits: All that the cluster says; of an ended or unknown job it is dropped.

    Returns:
        How many rows have changed.

    Raises:
        InvalidInput: 23514, HTTP 422: a reason that is no word, or no pods.
    """
    row = conn.execute("select falconeri.note_waits(%s::jsonb)", (text(list(waits)),)).fetchone()
    return cast("tuple[int]", row)[0]


def list_waits(conn: Connection, *, job_id: UUID) -> list[Wait]:
    """Why workers of a job don't work yet, what holds up most of them first.

    Raises:
        JobNotFound: ZF001, HTTP 404.
    """
    with conn.cursor(row_factory=record(Wait)) as cursor:
        return cursor.execute("select * from falconeri.list_waits(%s)", (job_id,)).fetchall()
