"""Wishes to stop: from Kubernetes by a signal, from falconerid by the answer to a heartbeat.

A wish is a pipe that becomes readable, since that is what threads, signal handlers and `select` can
all use without a lock. Called by everything here that waits.
"""

from __future__ import annotations

import os
import select
import signal
from types import FrameType

from falconeri.errors import FalconeriError


class Leaving(BaseException):
    """This worker ends, though its job goes on: what it holds is given back.

    Not an Exception, so that no library takes it for a failure of its own.
    """


class Terminated(Leaving):
    """SIGTERM or SIGINT has arrived: this worker has some seconds left."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal = signal.Signals(signal_number)

    def __str__(self) -> str:
        return f"the worker was told to go ({self.signal.name})"


class Broken(Leaving):
    """Something went wrong that is no datum's affair."""

    def __init__(self, error: FalconeriError) -> None:
        super().__init__(error)
        self.error = error

    def __str__(self) -> str:
        return f"the worker could not go on: {self.error}"


class Bell:
    """Rung once, by anyone; whoever waits for it, wakes up."""

    def __init__(self) -> None:
        self._readable, self._writable = os.pipe()

    def ring(self) -> None:
        """Wake up all who wait, now or later. May be called in a signal handler."""
        os.write(self._writable, b"\0")

    def fileno(self) -> int:
        """Return what becomes readable."""
        return self._readable

    def close(self) -> None:
        """Free the pipe; nobody may use it any more."""
        os.close(self._readable)
        os.close(self._writable)


class Stop(Bell):
    """A wish to stop and its reason. Once there, it stays."""

    def __init__(self) -> None:
        super().__init__()
        self._reason: BaseException | None = None

    def request(self, reason: BaseException) -> None:
        """Wish it; the first reason is the one that counts. May be called in a signal handler."""
        if self._reason is None:
            self._reason = reason
            self.ring()

    def check(self) -> None:
        """Raise the reason if there is one."""
        if self._reason is not None:
            raise self._reason

    @property
    def reason(self) -> BaseException | None:
        """The reason, if there is one."""
        return self._reason

    @property
    def requested(self) -> bool:
        """Whether there is a reason."""
        return self._reason is not None

    def pause(self, seconds: float) -> None:
        """Sleep, but wake up and raise the reason as soon as there is one."""
        wait_for_any(self, timeout_s=seconds)
        self.check()


class Termination(Stop):
    """SIGTERM and SIGINT as a wish to stop."""

    def install(self) -> None:
        """Take over the two signals, for as long as the process lives. For the main thread."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)

    def _on_signal(self, signal_number: int, _frame: FrameType | None) -> None:
        self.request(Terminated(signal_number))


def wait_for_any(*bells: Bell, timeout_s: float | None = None) -> None:
    """Return when one of them has been rung, or the time is over."""
    poll = select.poll()
    for bell in bells:
        poll.register(bell, select.POLLIN)
    poll.poll(None if timeout_s is None else timeout_s * 1000)
