"""A connection that may be ended at any moment, and who ends it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import psycopg

from falconeri.db.pool import translated
from falconeri.errors import FalconeriError
from tests.conftest import Connect
from tests.sql.stress.board import Board

T = TypeVar("T")

VICTIM = "victim"
KILL_EACH = 50
"""Calls of workers from one kill to the next."""


class Killed(Exception):
    """The session was ended during a call, of which nobody knows whether it was done."""


class Session:
    """Calls of functions of ours; what they raise comes out as an error of ours."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._open()

    def _open(self) -> None:
        self._conn = self._connect()
        self._conn.execute("select set_config('application_name', %s, false)", (VICTIM,))

    def once(self, call: Callable[[psycopg.Connection], T]) -> T:
        """Make a call that may be killed.

        Raises:
            Killed: It was; there is a new session now.
            FalconeriError: It was refused.
        """
        try:
            return call(self._conn)
        except psycopg.OperationalError as ex:
            # Without an SQLSTATE it is the client's own finding that the session is gone: the
            # socket may be, of which libpq has not heard yet.
            if ex.sqlstate is not None and not self._conn.closed:
                raise  # a deadlock, a lock not got in time: nothing that should ever happen
            self._conn.close()
            self._reopen()
            raise Killed from ex
        except psycopg.Error as ex:
            error = translated(ex)
            if type(error) is FalconeriError:
                raise
            raise error from ex

    def _reopen(self) -> None:
        while True:
            try:
                self._open()
            except psycopg.OperationalError:
                continue  # killed before it was of any use
            return

    def insist(self, call: Callable[[psycopg.Connection], T]) -> T:
        """Repeat a call until it was not killed."""
        while True:
            try:
                return self.once(call)
            except Killed:
                continue


class Killer:
    """Ends other people's sessions, rather while they are at work."""

    def __init__(self, connect: Connect, board: Board) -> None:
        self._conn, self._board = connect(), board
        self.killed = 0

    def __call__(self) -> None:
        while self._board.goes_on_after(KILL_EACH):
            rows = self._conn.execute(
                """
                select pg_terminate_backend(pid) from pg_stat_activity
                where application_name = %s and datname = current_database()
                order by state <> 'active', random() limit 1
                """,
                (VICTIM,),
            )
            self.killed += rows.rowcount
