"""How many requests of one kind may be served at once, so that they leave threads to the others.

Lists for people take the slots; what workers call takes none, and so always finds a thread and a
connection, however long lists take: there are as many connections as threads. Made by `serve`,
taken by the REST port's middleware.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager

from falconeri.errors import Unavailable

WAIT_S = 2.0
"""How long a request may wait for its turn."""


class Slots:
    """So many at once; of those that find none free, few wait a moment, the rest is refused.

    Args:
        size: How many are served at once.
        waiting: How many may wait, each of which holds a thread, too.
        wait_s: How long.
    """

    def __init__(self, size: int, *, waiting: int, wait_s: float = WAIT_S) -> None:
        self._size = size
        self._wait_s = wait_s
        self._served = threading.BoundedSemaphore(size)
        self._present = threading.BoundedSemaphore(size + waiting)

    @contextmanager
    def slot(self) -> Generator[None]:
        """Hold one.

        Raises:
            Unavailable: All are taken, and stay so.
        """
        if not self._present.acquire(blocking=False):
            raise self._refusal()
        try:
            if not self._served.acquire(timeout=self._wait_s):
                raise self._refusal()
            try:
                yield
            finally:
                self._served.release()
        finally:
            self._present.release()

    def _refusal(self) -> Unavailable:
        return Unavailable(
            "too many lists are being read",
            detail=f"{self._size} at once",
            hint="try again in a moment",
        )
