"""Threads that move bytes: one pool for files, one for the parts of big files, in each process.

For the stores; knows none of them. The threads are daemons, which `ThreadPoolExecutor`'s are not: a
worker that has been told to go doesn't wait for a file of 50 GB.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextvars import copy_context
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")


class Pool:
    """Runs tasks; its threads begin when they are needed, and end with the process.

    Args:
        name: Of its threads.
        threads: How many tasks run at the same time at most.
    """

    def __init__(self, name: str, threads: int) -> None:
        self._name = name
        self._threads = threads
        self._tasks: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._starting = threading.Lock()
        self._started = 0

    def submit(self, task: Callable[[], T]) -> Future[T]:
        """Run a task as soon as a thread is free. A task must not wait for one of the same pool."""
        future: Future[T] = Future()
        context = copy_context()  # has the caller's `while_wanted`

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = context.run(task)
            except BaseException as ex:  # noqa: BLE001 (whoever waits for the future raises it)
                future.set_exception(ex)
            else:
                future.set_result(result)

        self._tasks.put(run)
        if not self._idle.acquire(blocking=False):
            self._start_thread()
        return future

    def run_all(self, tasks: Iterable[Callable[[], T]], *, ahead: int) -> Iterator[T]:
        """Run all tasks and yield their results as they come.

        The first error is raised when those tasks have ended that had begun; no other begins.

        Args:
            ahead: How many tasks are taken before they can run.
        """
        pending: set[Future[T]] = set()
        done: SimpleQueue[Future[T]] = SimpleQueue()

        def next_result() -> T:
            future = done.get()
            pending.remove(future)
            return future.result()

        try:
            for task in tasks:
                future = self.submit(task)
                pending.add(future)
                future.add_done_callback(done.put)
                while len(pending) >= ahead or not done.empty():
                    yield next_result()
            while pending:
                yield next_result()
        finally:
            for future in pending:
                future.cancel()
            for _ in range(len(pending)):
                done.get()

    def _start_thread(self) -> None:
        with self._starting:
            if self._started == self._threads:
                return
            self._started += 1
            name = f"falconeri-{self._name}-{self._started}"
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def _work(self) -> None:
        while True:
            self._tasks.get()()
            self._idle.release()


FILE_THREADS = 32
"""Small files are waited for more than worked on: each takes the store some milliseconds."""

PART_THREADS = 8

FILES = Pool("file", FILE_THREADS)
"""Moves whole files; its tasks may wait for `PARTS`."""

PARTS = Pool("part", PART_THREADS)
"""Moves parts of big files."""

CONNECTIONS = 2 * FILE_THREADS + PART_THREADS
"""What a client should keep open: the callers' own threads move files, too."""
