"""A new job's datums from its plan: count, stage, multiply or check. Source: sql/functions/job/.

Called by falconerid's spool between `create_job` and `start_job`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from falconeri.db.copying import bigint, copy_numbered, integer
from falconeri.db.rows import record
from falconeri.wire import codec
from falconeri.wire.plan import Rival

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from psycopg import Connection

    from falconeri.pipeline.datums import Plan


def count_datums(conn: Connection, *, plan: Plan[int], max_datums: int) -> int:
    """Count the datums of a plan, before any of them is made.

    Args:
        plan: Its leaves are the numbers of datums of its atoms.
        max_datums: Neither the plan nor any part of it may have more.

    Raises:
        TooManyDatums: ZF011, HTTP 422: the detail says how so many come together.
    """
    row = conn.execute(
        "select falconeri.count_datums(%s::jsonb, %s)", (codec.encode(plan).decode(), max_datums)
    ).fetchone()
    return cast("tuple[int]", row)[0]


def copy_factor(
    conn: Connection, *, job_no: int, factor: int, datums: Iterable[bytes], after: int = 0
) -> int:
    """Stream datums into a factor of a cross; return how many.

    Args:
        factor: A number of the caller's choice, from 1.
        datums: As for `copy_datums`.
        after: How many the factor has already.
    """
    return copy_numbered(
        conn,
        "copy falconeri.factors (job_no, factor, first_seq, inputs) from stdin (format binary)",
        keys=[bigint(job_no), integer(factor)],
        datums=datums,
        after=after,
    )


def expand_cross(conn: Connection, *, job_no: int, factors: list[int], into: int | None) -> int:
    """Append each combination of the factors to another one, or to the job's datums; count them.

    Args:
        factors: At least two, used up by this; the first changes most slowly.
        into: The number of a factor; None: the datums.

    Raises:
        InvalidInput: ZF009, HTTP 422: two files of a combination would share a local path.
    """
    row = conn.execute(
        "select falconeri.expand_cross(%s, %s::integer[], %s::integer)", (job_no, factors, into)
    ).fetchone()
    return cast("tuple[int]", row)[0]


def check_cross(conn: Connection, *, job_no: int, factors: list[int], into: int | None) -> int:
    """Refuse what `expand_cross` would, and hand the factors' rows to another one; count them.

    Args:
        factors: At least two, used up by this.
        into: The number of a factor; None: the rows are not needed any more.

    Raises:
        InvalidInput: ZF009, HTTP 422: two files of a combination would share a local path.
    """
    row = conn.execute(
        "select falconeri.check_cross(%s, %s::integer[], %s::integer)", (job_no, factors, into)
    ).fetchone()
    return cast("tuple[int]", row)[0]


def list_rivals(conn: Connection, *, job_id: UUID, limit: int) -> list[Rival]:
    """The other running jobs that may write the same names, the oldest first.

    Args:
        limit: At most so many.

    Raises:
        JobNotFound: ZF001, HTTP 404.
    """
    with conn.cursor(row_factory=record(Rival)) as cursor:
        cursor.execute("select * from falconeri.list_rivals(%s, %s::integer)", (job_id, limit))
        return cursor.fetchall()
