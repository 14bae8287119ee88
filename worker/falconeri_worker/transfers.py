"""Many transfers at once, by threads that can be left behind.

Called by `datum`; of storage it knows how a transfer is ended half-way. The threads are daemons: a
worker that has been told to go doesn't wait for a file of 50 GB.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from falconeri.storage.wanted import while_wanted
from falconeri_worker.stopping import Bell, Stop, wait_for_any

T = TypeVar("T")


def run_all(
    tasks: Sequence[Callable[[], T]], *, threads: int, lost: Stop, leaving: Stop
) -> list[T]:
    """Run all tasks and return their results in the same order.

    After the first error, or when the claim is lost, no further task begins; those that have begun
    are waited for, since they may still write to the datum's directories. When the claim is lost
    they end themselves at their next piece, and leave nothing.

    Args:
        tasks: Functions without arguments.
        threads: How many run at a time, ≥ 1; with one, they run in order.
        lost: The wish to stop of this attempt.
        leaving: The wish that this worker ends; tasks that have begun are left behind.

    Raises:
        Leaving: At once.
        BaseException: The first error, or the reason why the claim was lost.
    """
    leaving.check()
    if not tasks:
        return []
    batch = _Batch(tasks, lost)
    try:
        batch.start(min(threads, len(tasks)))
        wait_for_any(batch.over, leaving)
    finally:
        batch.close()
    leaving.check()
    lost.check()
    return batch.results()


class _Batch(Generic[T]):
    def __init__(self, tasks: Sequence[Callable[[], T]], lost: Stop) -> None:
        self.over = Bell()
        self._pending = iter(enumerate(tasks))
        self._lost = lost
        self._lock = threading.Lock()
        self._results: dict[int, T] = {}
        self._error: BaseException | None = None
        self._active = 0
        self._closed = False

    def start(self, threads: int) -> None:
        self._active = threads
        for number in range(threads):
            threading.Thread(
                target=self._work, name=f"falconeri-transfer-{number}", daemon=True
            ).start()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self.over.close()

    def results(self) -> list[T]:
        if self._error is not None:
            raise self._error
        return [self._results[number] for number in range(len(self._results))]

    def _work(self) -> None:
        while (task := self._next()) is not None:
            number, function = task
            try:
                with while_wanted(self._wanted):
                    self._results[number] = function()
            except BaseException as ex:  # noqa: BLE001 (who waits for the batch raises it)
                self._error = self._error or ex
        with self._lock:
            self._active -= 1
            if not self._active and not self._closed:
                self.over.ring()

    def _wanted(self) -> bool:
        return not self._lost.requested

    def _next(self) -> tuple[int, Callable[[], T]] | None:
        with self._lock:
            if self._closed or self._error is not None or self._lost.requested:
                return None
            return next(self._pending, None)
