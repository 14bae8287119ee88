"""Connections to PostgreSQL, and the one place where its errors become ours.

Called by falconerid's resources and tasks.
"""

from __future__ import annotations

import select
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import errors as pg
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout, TooManyRequests

from falconeri import keepalive
from falconeri.errors import (
    BY_SQLSTATE,
    BadRequest,
    FalconeriError,
    InvalidInput,
    TookTooLong,
    Unavailable,
)
from falconeri.wire.codec import decode

if TYPE_CHECKING:
    from collections.abc import Generator

_OPTIONS = "-c timezone=UTC"

CONNECTION_SETTINGS: dict[str, Any] = {
    **keepalive.LIBPQ,
    "tcp_user_timeout": 20000,
    "connect_timeout": 5,
    "options": _OPTIONS,
}

POOL_SETTINGS: dict[str, Any] = {
    # Then 503: a thread that waits longer for a database that is away is one that others lack.
    "timeout": 5,
    # After so long a pool tries again when it is asked. By default it pauses ever longer for five
    # minutes: a database back after 40 s was found 20 s later.
    "reconnect_timeout": 5,
}


STATEMENT_LIMIT_S = 60.0
"""Of what answers a request. Nothing that our functions do for one comes near it, so that who waits
longer waits for a lock, and should let go of its thread: clients give up after a minute."""

READING_LIMIT_S = 15.0
"""Of lists for people: longer than any page of ten million datums took, and than a person waits."""


class Database:
    """A pool of connections in autocommit mode: each call of a function is a transaction.

    Args:
        url: A libpq URL.
        size: Connections, all opened at once. As many as there are threads that use them: more
            threads than connections was the one disastrous setting of all that were measured.
        name: What operators see in pg_stat_activity.
        statement_limit_s: Of each statement; None: there is no limit.
        reading_limit_s: Of each statement of a `reading`.
    """

    def __init__(
        self,
        url: str,
        *,
        size: int,
        name: str,
        statement_limit_s: float | None = None,
        reading_limit_s: float = READING_LIMIT_S,
    ) -> None:
        self._reading_limit_s = reading_limit_s
        # As an option of the session it costs no statement of its own.
        limit_ms = round((statement_limit_s or 0) * 1000)
        options = f"{_OPTIONS} -c statement_timeout={limit_ms}"
        self._pool = ConnectionPool(
            url,
            min_size=size,
            max_size=size,
            max_waiting=64,  # none waits for a connection here unless the database is away
            **POOL_SETTINGS,
            # Without a check each connection pays one error after a restart of the database.
            check=_check,
            kwargs={
                **CONNECTION_SETTINGS,
                "options": options,
                "autocommit": True,
                "application_name": name,
            },
            open=True,
        )

    @contextmanager
    def connection(self) -> Generator[psycopg.Connection]:
        """Lend a connection; whatever goes wrong inside comes out as an error of ours.

        Raises:
            Unavailable: No connection, or it was lost.
            TookTooLong: A statement reached its time limit.
            FalconeriError: What a function of `sql/` raised.
        """
        try:
            with self._pool.connection() as conn:
                yield conn
        except (PoolTimeout, TooManyRequests, PoolClosed) as ex:
            raise Unavailable("the database can't be reached", hint="try again") from ex
        except psycopg.Error as ex:
            raise translated(ex) from ex

    @contextmanager
    def reading(self) -> Generator[psycopg.Connection]:
        """Lend a connection for lists, whose statements end early if they take long.

        Raises:
            Unavailable, TookTooLong, FalconeriError: See `connection`.
        """
        with self.connection() as conn, self._limited(conn, self._reading_limit_s):
            yield conn

    @contextmanager
    def unlimited(self) -> Generator[psycopg.Connection]:
        """Lend a connection for what may take as long as it takes: making a job of any size.

        Raises:
            Unavailable, FalconeriError: See `connection`.
        """
        with self.connection() as conn, self._limited(conn, 0):
            yield conn

    @contextmanager
    def transaction(self) -> Generator[psycopg.Connection]:
        """Lend an unlimited connection within one transaction, rolled back by any exception."""
        with self.unlimited() as conn, conn.transaction():
            yield conn

    @contextmanager
    def rehearsal(self) -> Generator[psycopg.Connection]:
        """Lend an unlimited connection within a transaction that is rolled back in any case."""
        with self.unlimited() as conn, conn.transaction(force_rollback=True):
            yield conn

    def stats(self) -> dict[str, int]:
        """How the pool is: `pool_size`, `pool_available`, `requests_waiting` and others."""
        return dict(self._pool.get_stats())

    @contextmanager
    def _limited(self, conn: psycopg.Connection, limit_s: float) -> Generator[None]:
        limit = f"{round(limit_s * 1000)}ms"
        conn.execute("select set_config('statement_timeout', %s, false)", (limit,))
        try:
            yield
        finally:
            if not conn.closed and not conn.broken:
                conn.execute("reset statement_timeout")

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()


def _check(conn: psycopg.Connection) -> None:
    """Raise if a connection that nobody uses was ended by the server.

    Then there is something to be read from it. Only if there is, the server is asked: a round trip
    for each call cost falconerid a tenth of its requests per second.

    Raises:
        psycopg.OperationalError: It is lost.
    """
    waiting = select.poll()  # select() ends at descriptor 1024
    waiting.register(conn.fileno(), select.POLLIN)
    if waiting.poll(0):
        ConnectionPool[psycopg.Connection].check_connection(conn)


def translated(error: psycopg.Error) -> FalconeriError:
    """The error of ours that a database error means."""
    if error.sqlstate in BY_SQLSTATE:
        return BY_SQLSTATE[error.sqlstate](
            error.diag.message_primary or "",
            detail=_readable(error.diag.message_detail),
            hint=error.diag.message_hint or "",
        )
    # Too long for an index, or too deep: the caller's data, although libpq calls it operational.
    if isinstance(error, (pg.DataError, pg.CheckViolation, pg.ProgramLimitExceeded)):
        return InvalidInput(detail=error.diag.message_primary or str(error))
    if isinstance(error, pg.QueryCanceled):
        return TookTooLong()
    if isinstance(error, (pg.DeadlockDetected, pg.SerializationFailure, pg.LockNotAvailable)):
        return Unavailable("others changed the same in the database just then", hint="try again")
    if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)):
        return Unavailable("the database can't be reached", hint="try again")
    return FalconeriError("database error", detail=f"{error.sqlstate}: {error}")


def _readable(detail: str | None) -> str:
    """`{"job_id": "…", "status": "done"}` as `job_id …, status done`."""
    if not detail:
        return ""
    try:
        fields = decode(detail, dict[str, Any])
    except (BadRequest, InvalidInput):
        return detail
    return ", ".join(f"{name} {value}" for name, value in fields.items() if value is not None)
