"""Wishes to stop: from Kubernetes by a signal, from falconerid by the answer to a heartbeat.

A wish is a pipe that becomes readable, since that is what threads, signal handlers and `select` can
all use without a lock. Called by everything here that waits.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType


class Terminated(BaseException):
    """SIGTERM or SIGINT has arrived: this worker has some seconds left.

    Not an Exception, so that no library takes it for a failure of its own.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal = signal.Signals(signal_number)


class Stop:
    """A wish to stop and its reason. Once there, it stays."""

    def __init__(self) -> None:
        self._reason: BaseException | None = None
        self._readable, self._writable = os.pipe()

    def request(self, reason: BaseException) -> None:
        """Wish it; the first reason is the one that counts. May be called in a signal handler."""
        if self._reason is None:
            self._reason = reason
            os.write(self._writable, b"\0")

    def check(self) -> None:
        """Raise the reason if there is one."""
        if self._reason is not None:
            raise self._reason

    @property
    def requested(self) -> bool:
        """Whether there is a reason."""
        return self._reason is not None

    def pause(self, seconds: float) -> None:
        """Sleep, but wake up and raise the reason as soon as there is one."""
        poll = select.poll()
        poll.register(self._readable, select.POLLIN)
        poll.poll(seconds * 1000)
        self.check()

    def fileno(self) -> int:
        """Return what becomes readable."""
        return self._readable

    def close(self) -> None:
        """Free the pipe; nobody may use the wish any more."""
        os.close(self._readable)
        os.close(self._writable)


class Termination(Stop):
    """SIGTERM and SIGINT as a wish to stop. Belongs to the main thread.

    The handler raises only inside `interruptible`: elsewhere an exception out of nowhere could cut
    the report of a datum in two.
    """

    def __init__(self) -> None:
        super().__init__()
        self._interruptible = False

    def install(self) -> None:
        """Take over the two signals, for as long as the process lives."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)

    @contextmanager
    def interruptible(self) -> Generator[None]:
        """Raise Terminated in this block as soon as a signal arrives, or if one has arrived.

        Not to be nested.
        """
        self._interruptible = True  # first: a signal between the two lines must not be missed
        try:
            self.check()
            yield
        finally:
            self._interruptible = False

    def _on_signal(self, signal_number: int, _frame: FrameType | None) -> None:
        self.request(Terminated(signal_number))
        if self._interruptible:
            self._interruptible = False
            self.check()
