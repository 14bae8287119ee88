"""Keeps the embedded PostgreSQL of a stack running: starts it again where it was.

Called by `falconeri.local.stack`. What was committed is still there afterwards; falconerid's
processes connect again by themselves.
"""

from __future__ import annotations

import threading
from pathlib import Path

from falconeri.errors import Unavailable
from falconeri.local.logs import last_lines
from falconeri.local.postgres import PostgresUnavailable, Server, find_running

_LOOK_EVERY_S = 0.5


class PostgresKeeper:
    """An embedded server that is looked at all the time.

    Args:
        state: The server's directory.
    """

    name = "PostgreSQL"

    def __init__(self, state: Path) -> None:
        self.log = state / "postgres.log"
        self.given_up = threading.Event()
        """Set when it could not be started again."""
        self.deaths = 0
        """How often it has ended without being asked to."""
        self._state = state
        self._server: Server | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep_alive, name=self.name, daemon=True)

    def start(self) -> str:
        """Start the server and return its URL, password included.

        Raises:
            Unavailable: No binaries, no permission, or it doesn't start.
        """
        try:
            self._server = Server.start(self._state)
        except PostgresUnavailable as ex:
            raise Unavailable(str(ex)) from ex
        self._thread.start()
        return self._server.url

    def stop(self) -> None:
        """Stop the server; it isn't started again.

        Raises:
            PostgresUnavailable: It doesn't end.
        """
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        if self._server is not None:
            self._server.stop()

    def log_tail(self) -> list[str]:
        """The last lines that the server wrote."""
        return last_lines(self.log)

    def _keep_alive(self) -> None:
        while not self._stopping.wait(_LOOK_EVERY_S):
            try:
                if self._server is not None and find_running(self._state) is None:
                    self.deaths += 1
                    self._server = _started_again(self._server, self._state)
            except PostgresUnavailable:
                self.given_up.set()
                return


def _started_again(server: Server, state: Path) -> Server:
    """Start a dead server at the same port, since its URL is known all around."""
    server.stop()
    return Server.start(state, port=server.address.port)
