"""Output files: register, settle, clean up. Source: sql/functions/output/."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from msgspec import Struct

from falconeri.db.rows import record
from falconeri.wire.records import OutputFile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import Connection

    from falconeri.wire.work import OutputUpdate


class Deletion(Struct, frozen=True):
    """An object that a failed attempt may have left behind."""

    uri: str
    job_id: UUID
    pipeline_spec: dict[str, Any]


def register_outputs(
    conn: Connection, *, datum_id: UUID, pod_name: str, attempt: int | None, uris: Sequence[str]
) -> list[OutputFile]:
    """Note the files that an attempt is about to upload; a repeat with the same set is fine.

    Raises:
        DatumNotFound: ZF002, HTTP 404.
        ClaimLost: ZF003, HTTP 403.
        JobNotRunning: ZF004, HTTP 409.
        OutputClash: ZF005, HTTP 409: another datum of the job or of another running job writes one.
        OutputsMismatch: ZF006, HTTP 403: another set was registered before.
        OutputBusy: ZF008, HTTP 409: one is being deleted for an earlier attempt.
        InvalidInput: ZF009, HTTP 422: one is named twice, or not below the job's egress URI.
    """
    with conn.cursor(row_factory=record(OutputFile)) as cursor:
        cursor.execute(
            "select * from falconeri.register_outputs(%s, %s, %s::integer, %s::text[])",
            (datum_id, pod_name, attempt, list(uris)),
        )
        return cursor.fetchall()


def list_outputs(
    conn: Connection, *, job_id: UUID, after: UUID | None, limit: int
) -> list[OutputFile]:
    """A page of the files that a job's current and successful attempts write.

    Args:
        after: The last datum of the page before; None: from the first.
        limit: The files of at most so many datums that have any, all of each.

    Raises:
        JobNotFound: ZF001, HTTP 404.
        DatumNotFound: ZF002, HTTP 404: `after` is not a datum's id.
    """
    with conn.cursor(row_factory=record(OutputFile)) as cursor:
        cursor.execute(
            "select * from falconeri.list_outputs(%s, %s::uuid, %s)", (job_id, after, limit)
        )
        return cursor.fetchall()


def settle_outputs(
    conn: Connection,
    *,
    datum_id: UUID,
    pod_name: str,
    attempt: int | None,
    updates: Sequence[OutputUpdate],
) -> None:
    """Note what became of the uploads of an attempt; a repeat is fine.

    Raises:
        DatumNotFound: ZF002, HTTP 404.
        ClaimLost: ZF003, HTTP 403.
        JobNotRunning: ZF004, HTTP 409.
        InvalidInput: ZF009, HTTP 422: a file of another datum.
    """
    conn.execute(
        """
        select falconeri.settle_outputs(
          %s, %s, %s::integer, %s::uuid[], %s::falconeri.output_status[], %s::bigint[], %s::text[]
        )
        """,
        (
            datum_id,
            pod_name,
            attempt,
            [u.id for u in updates],
            [u.status.value for u in updates],
            [u.size_bytes for u in updates],
            [u.checksum for u in updates],
        ),
    )


def take_deletions(conn: Connection, *, limit: int) -> list[Deletion]:
    """Take objects of failed attempts to delete; tell `settle_deletion` of each that is gone."""
    with conn.cursor(row_factory=record(Deletion)) as cursor:
        return cursor.execute("select * from falconeri.take_deletions(%s)", (limit,)).fetchall()


def settle_deletion(conn: Connection, *, job_id: UUID, uri: str) -> None:
    """Note that an object is gone."""
    conn.execute("select falconeri.settle_deletion(%s, %s)", (job_id, uri))


def release_deletion(conn: Connection, *, job_id: UUID, uri: str) -> None:
    """Put an object back that could not be deleted: to be tried again in ten minutes."""
    conn.execute("select falconeri.release_deletion(%s, %s)", (job_id, uri))
