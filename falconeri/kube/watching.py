"""An open watch. Made by `api`; iterated by one thread, ended by another."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from typing import Any

from urllib3.exceptions import HTTPError

from falconeri.kube.objects import Object
from falconeri.kube.refusals import error_of, unreachable


class Watching:
    """An open watch: an iterator of events, which another thread may end."""

    def __init__(self, response: Any, url: str) -> None:  # noqa: ANN401 - urllib3's, by the untyped client
        self._response = response
        self._url = url

    def __iter__(self) -> Iterator[tuple[str, Object]]:
        """The events, until the server ends the watch.

        Raises:
            Expired: What comes next is forgotten.
            Unavailable: The connection is lost.
        """
        rest = b""
        try:
            for chunk in self._response.stream(65536, decode_content=False):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in filter(None, lines):
                    event: Object = json.loads(line)
                    if event["type"] == "ERROR":
                        raise error_of(event["object"], "watch")
                    yield event["type"], event["object"]
        except (HTTPError, OSError, ValueError) as ex:
            raise unreachable(ex, self._url) from ex
        finally:
            self._response.close()

    def end(self) -> None:
        """Make the iteration end at once. Called by another thread."""
        # Closing it would wait for the thread that reads.
        connection = getattr(self._response, "connection", None)
        found: socket.socket | None = getattr(connection, "sock", None)
        with contextlib.suppress(OSError):
            if found is not None:
                found.shutdown(socket.SHUT_RDWR)
