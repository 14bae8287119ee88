"""Whether a falconerid should get requests: the database answers, and has a schema for it.

That is this program's, or one that took its place while it ran: of a newer falconerid, which begins
its upgrade with migrations. A release keeps what the one before it calls, so that the old replicas
go on until they are replaced.

The check has a connection of its own: a crowd at the pool doesn't make a falconerid unready, nor
the check the crowd larger. Anybody may ask, so one check a second is made, by one thread at a
time; whoever asks meanwhile gets the last result. Called by `/readyz`.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import psycopg
from psycopg.conninfo import make_conninfo

from falconeri.db.migrate import is_current, is_migrated
from falconeri.log import get_logger

log = get_logger(__name__)

FRESH_S = 1.0
"""How long a result stands."""

STALE_S = 10.0
"""After so long without a new result the old one says nothing any more: the check hangs."""

_LIMITS = {
    "application_name": "falconerid ready",
    "connect_timeout": 2,  # libpq knows no shorter one
    "tcp_user_timeout": 2000,
    "options": "-c statement_timeout=2000",
}


@dataclass(frozen=True)
class _Result:
    refusal: str
    """Why there should be no requests; empty: they may come."""
    made_at: float


class Readiness:
    """The last result, and when to look again. Safe to use from every thread."""

    def __init__(self, database_url: str) -> None:
        self._conninfo = make_conninfo(database_url, **_LIMITS)
        self._checking = threading.Lock()
        self._last = _Result("not checked yet", 0.0)
        self._was_current = False

    def refusal(self) -> str:
        """Why this falconerid should get no requests now; empty if it should."""
        if self._age_s() > FRESH_S and self._checking.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._checking.release()
        return self._last.refusal if self._age_s() < STALE_S else "the database does not answer"

    def _age_s(self) -> float:
        return time.monotonic() - self._last.made_at

    def _look(self) -> None:
        refusal = self._check()
        if refusal != self._last.refusal:
            log.info("readiness_changed", refusal=refusal)
        self._last = _Result(refusal, time.monotonic())

    def _check(self) -> str:
        try:
            if is_current(self._conninfo):
                self._was_current = True
                return ""
            migrated = is_migrated(self._conninfo)
        except psycopg.OperationalError:
            return "the database can't be reached"  # why it can't is nobody's business here
        except psycopg.Error:
            return "the database can't be read"
        if not migrated:
            return "the database is not migrated"
        return "" if self._was_current else "the database has another schema"
