"""Waiting for work without falconerid's waiting port: PostgreSQL itself tells that there is some.

For installations that prefer it: `FALCONERI_LISTEN_DSN` names the database and a user of the role
`falconeri_listener`, who may do nothing else. Each waiting worker then is a session of the
database, and all of them ask falconerid when one datum becomes ready. Called by `crew`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import UUID

from falconeri import keepalive
from falconeri.errors import Unavailable
from falconeri.states import Verdict
from falconeri.wire.work import WorkAnswer
from falconeri_worker.waiting import Waiting

if TYPE_CHECKING:
    from psycopg import Connection

_SAFETY_S = 30.0
_CONNECT_LIMIT_S = 10


class Listened(Waiting):
    """Asks falconerid, and again when the database says that there is something.

    Args:
        dsn: Where to listen.
        claim: Asks falconerid, which then has the database tell when work becomes ready.
        job_id: Whose work.
        safety_s: After how long to ask without having been told.
    """

    def __init__(
        self,
        dsn: str,
        claim: Callable[[], WorkAnswer],
        job_id: UUID,
        *,
        safety_s: float = _SAFETY_S,
    ) -> None:
        self._dsn = dsn
        self._claim = claim
        self._job_id = str(job_id)
        self._safety_s = safety_s
        self._connection: Connection | None = None

    def ask(self) -> WorkAnswer:
        """Ask; if there is nothing, return when that may have changed.

        Raises:
            Unavailable: The database can't be listened to.
        """
        from psycopg import Error  # noqa: PLC0415 - not every bundle has it

        try:
            connection = self._connected()
            answer = self._claim()
            if answer.verdict is Verdict.EMPTY:
                self._await_news(connection)
        except Error as ex:
            self._connection = None
            raise Unavailable("the database can't be listened to", detail=str(ex)) from ex
        return answer

    def close(self) -> None:
        """Listen no more."""
        if self._connection is not None:
            self._connection.close()

    def _connected(self) -> Connection:
        """Listen, before anything is asked: what becomes ready later is told."""
        import psycopg  # noqa: PLC0415

        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(
                self._dsn,
                autocommit=True,
                connect_timeout=_CONNECT_LIMIT_S,
                application_name="falconeri-worker listen",
                **keepalive.LIBPQ,
            )
            self._connection.execute("listen falconeri_job")
        return self._connection

    def _await_news(self, connection: Connection) -> None:
        # Jitter: what was missed is missed by all who wait.
        limit_s = random.uniform(0.5, 1.0) * self._safety_s  # noqa: S311
        for told in connection.notifies(timeout=limit_s):
            if told.payload == self._job_id:
                return


def is_possible() -> bool:
    """Whether the library for it is here."""
    from importlib.util import find_spec  # noqa: PLC0415

    return find_spec("psycopg") is not None
