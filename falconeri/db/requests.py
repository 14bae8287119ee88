"""Requests for a new job that may be repeated. Source: sql/functions/job/*_request.sql."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from uuid import UUID

    from psycopg import Connection


def find_request(conn: Connection, *, request_key: str, digest: str) -> UUID | None:
    """The job that a request with this key has made; None if there was none.

    Raises:
        RequestKeyReused: ZF012, HTTP 422: for something else.
    """
    row = conn.execute("select falconeri.find_request(%s, %s)", (request_key, digest)).fetchone()
    return cast("tuple[UUID | None]", row)[0]


def begin_request(conn: Connection, *, request_key: str, digest: str) -> UUID | None:
    """Begin to answer a request; make the job and call `end_request` in the same transaction.

    Returns:
        None, or the job that such a request has made before: then there is nothing to do.

    Raises:
        RequestKeyReused: ZF012, HTTP 422: for something else.
        InvalidInput: The key is too long.
    """
    row = conn.execute("select falconeri.begin_request(%s, %s)", (request_key, digest)).fetchone()
    return cast("tuple[UUID | None]", row)[0]


def end_request(conn: Connection, *, request_key: str, job_id: UUID) -> None:
    """Note which job answers a request that was begun in this transaction.

    Raises:
        JobNotFound: ZF001, HTTP 404.
    """
    conn.execute("select falconeri.end_request(%s, %s)", (request_key, job_id))
