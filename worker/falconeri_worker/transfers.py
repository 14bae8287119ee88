"""Many transfers at once, while the main thread stays ready for signals.

Called by `datum`; knows nothing of storage. The threads are daemons: a worker that has been told to
go doesn't wait for a file of 50 GB.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from falconeri_worker.stopping import Stop, Termination

T = TypeVar("T")


def run_all(
    tasks: Sequence[Callable[[], T]], *, threads: int, lost: Stop, termination: Termination
) -> list[T]:
    """Run all tasks and return their results in the same order.

    After the first error, or when the claim is lost, no further task begins; those that have begun
    are waited for, since they may still write to the datum's directories.

    Args:
        tasks: Functions without arguments.
        threads: How many run at a time, ≥ 1; with one, they run in order.
        lost: The wish to stop of this attempt.
        termination: The wish to stop of this process; tasks that have begun are left behind.

    Raises:
        Terminated: At once.
        BaseException: The first error, or the reason why the claim was lost.
    """
    batch = _Batch(tasks, lost)
    try:
        with termination.interruptible():
            batch.run(min(threads, len(tasks)))
    finally:
        batch.begin_no_more()
    lost.check()
    return batch.results()


class _Batch(Generic[T]):
    def __init__(self, tasks: Sequence[Callable[[], T]], lost: Stop) -> None:
        self._pending = iter(enumerate(tasks))
        self._lost = lost
        self._lock = threading.Lock()
        self._results: dict[int, T] = {}
        self._error: BaseException | None = None
        self._closed = False

    def run(self, threads: int) -> None:
        workers = [
            threading.Thread(target=self._work, name=f"falconeri-transfer-{number}", daemon=True)
            for number in range(threads)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    def begin_no_more(self) -> None:
        self._closed = True

    def results(self) -> list[T]:
        if self._error is not None:
            raise self._error
        return [self._results[number] for number in range(len(self._results))]

    def _work(self) -> None:
        while (task := self._next()) is not None:
            number, function = task
            try:
                self._results[number] = function()
            except BaseException as ex:  # noqa: BLE001 (the main thread raises it)
                self._error = self._error or ex

    def _next(self) -> tuple[int, Callable[[], T]] | None:
        with self._lock:
            if self._closed or self._error is not None or self._lost.requested:
                return None
            return next(self._pending, None)
