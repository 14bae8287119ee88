"""What operators do with jobs besides ending them. Source: sql/functions/job/.

Called by falconerid's resources for an operator, and by the babysitter for what is old.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from uuid import UUID

    from psycopg import Connection


def pause_job(conn: Connection, *, job_id: UUID) -> None:
    """Hand out nothing more of a job; what runs goes on. A repeat is fine.

    Raises:
        JobNotFound: ZF001, HTTP 404.
        JobNotRunning: ZF004, HTTP 409: it has ended.
    """
    conn.execute("select falconeri.pause_job(%s)", (job_id,))


def resume_job(conn: Connection, *, job_id: UUID) -> None:
    """Let a paused job go on, and wake all who wait for its work. A repeat is fine.

    Raises:
        JobNotFound: ZF001, HTTP 404.
        JobNotRunning: ZF004, HTTP 409: it has ended.
    """
    conn.execute("select falconeri.resume_job(%s)", (job_id,))


def scale_job(conn: Connection, *, job_id: UUID, parallelism: int) -> None:
    """Change how many workers a running job should have. A repeat is fine.

    Raises:
        JobNotFound: ZF001, HTTP 404.
        JobNotRunning: ZF004, HTTP 409: it has ended.
        InvalidInput: ZF009, HTTP 422: less than none.
    """
    conn.execute("select falconeri.scale_job(%s, %s::integer)", (job_id, parallelism))


def delete_job(conn: Connection, *, job_id: UUID, limit: int) -> bool:
    """Delete an ended job, a batch a call; nobody sees it from the first call on.

    Args:
        limit: At most so many of its datums, each with its attempts and files; > 0.

    Returns:
        Whether more is left: call again, in another transaction, or leave it to `delete_old_jobs`.

    Raises:
        JobNotFound: ZF001, HTTP 404: also when all of it is gone.
        InvalidInput: ZF009, HTTP 422: a limit below 1.
        JobRunning: ZF010, HTTP 409.
    """
    row = conn.execute("select falconeri.delete_job(%s, %s::integer)", (job_id, limit)).fetchone()
    return cast("tuple[bool]", row)[0]


def delete_old_jobs(conn: Connection, *, older_than_s: int | None, limit: int) -> bool:
    """Delete a batch of a job that ended long ago, or of one that `delete_job` has begun with.

    Args:
        older_than_s: Seconds since their end; >= 0; None: only what has been begun.
        limit: At most so many datums, each with its attempts and files; > 0.

    Returns:
        Whether there was one: call again, in another transaction.

    Raises:
        InvalidInput: ZF009, HTTP 422: a number out of range.
    """
    row = conn.execute(
        "select falconeri.delete_old_jobs(%s::integer, %s::integer)", (older_than_s, limit)
    ).fetchone()
    return cast("tuple[bool]", row)[0]
