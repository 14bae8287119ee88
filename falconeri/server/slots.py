"""How many requests of one kind may be served at once, so that they leave threads to the others.

Lists for people take slots, and so do requests that make a job, whose listing of a bucket may take
minutes; what workers call takes none, and so always finds a thread and a connection: there are as
many connections as threads. Made by `serve`, taken by the REST port's middleware and by `submit`.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager

from falconeri.errors import Unavailable

WAIT_S = 2.0
"""How long a request may wait for its turn."""


class Slots:
    """So many at once; of those that find none free, few wait a moment, the rest is refused.

    Args:
        size: How many are served at once.
        waiting: How many may wait, each of which holds a thread, too.
        threads: How many threads all kinds together may hold, those that wait included.
        refusal: What those are told for whom there is no room.
        wait_s: How long one may wait.
    """

    def __init__(
        self,
        size: int,
        *,
        waiting: int,
        threads: threading.Semaphore,
        refusal: str,
        wait_s: float = WAIT_S,
    ) -> None:
        self._size = size
        self._wait_s = wait_s
        self._refusal = refusal
        self._served = threading.BoundedSemaphore(size)
        self._present = threading.BoundedSemaphore(size + waiting)
        self._threads = threads

    @contextmanager
    def slot(self) -> Generator[None]:
        """Hold one.

        Raises:
            Unavailable: All are taken, and stay so.
        """
        with ExitStack() as held:
            self._take(held, self._threads, wait_s=0)
            self._take(held, self._present, wait_s=0)
            self._take(held, self._served, wait_s=self._wait_s)
            yield

    def _take(self, held: ExitStack, places: threading.Semaphore, *, wait_s: float) -> None:
        if not places.acquire(timeout=wait_s):
            raise Unavailable(
                self._refusal, detail=f"{self._size} at once", hint="try again in a moment"
            )
        held.callback(places.release)
