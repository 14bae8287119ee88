"""One loop over file descriptors, without threads: a child, its pipes, and what ends its work.

Called by `command` and `resident`, for each piece of work anew.
"""

from __future__ import annotations

import contextlib
import math
import os
import selectors
import signal
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Self

from falconeri_worker.child import Child
from falconeri_worker.excerpt import Excerpt
from falconeri_worker.stopping import Stop

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

READ_BYTES = 64 * 1024

_TERM_TO_KILL_S = 2.0
"""How long a command that is stopped may clean up after itself."""

_POLL_S = 0.05
"""How often to look for the end where the kernel can't tell of it (macOS, old Linux)."""


class Watch:
    """Waits for a child.

    Args:
        child: It and its group get SIGTERM when they are to stop, and SIGKILL two seconds later.
        stops: Wishes to stop.
    """

    def __init__(self, child: Child, stops: Sequence[Stop]) -> None:
        self._child = child
        self._selector = selectors.DefaultSelector()
        self._kill_at = math.inf
        self._deadline = math.inf
        self.ended = False
        """It runs no more. It is not reaped: what is left of its group can still be signalled."""
        self.ending = False
        """It was told to stop."""
        self.timed_out = False
        """It is being stopped, or was, for the time that it took."""
        for stop in stops:
            self.on_readable(stop, self._stop)
        if child.pidfd is not None:
            self.on_readable(child.pidfd, self._note_end)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()

    def limit(self, timeout_s: float | None) -> None:
        """Stop the child so many seconds from now; None: never."""
        self._deadline = math.inf if timeout_s is None else time.monotonic() + timeout_s

    def on_readable(
        self, source: FileDescriptorLike, action: Callable[[FileDescriptorLike], None]
    ) -> None:
        """Call it whenever there is something to read, until `forget`."""
        self._selector.register(source, selectors.EVENT_READ, action)

    def on_writable(
        self, source: FileDescriptorLike, action: Callable[[FileDescriptorLike], None]
    ) -> None:
        """Call it whenever there is room to write, until `forget`."""
        self._selector.register(source, selectors.EVENT_WRITE, action)

    def forget(self, source: FileDescriptorLike) -> None:
        """Look at it no more."""
        self._selector.unregister(source)

    def until(self, condition: Callable[[], bool], *, within_s: float = math.inf) -> None:
        """Return when it is true, or after that time.

        A child that is to stop comes to its end in here: so the condition should be true then, too.
        """
        leave_at = time.monotonic() + within_s
        while not condition() and time.monotonic() < leave_at:
            for key, _ in self._selector.select(self._timeout_s(leave_at)):
                action: Callable[[FileDescriptorLike], None] = key.data
                action(key.fileobj)
            if self._child.pidfd is None and not self.ended and self._child.has_ended():
                self._note_end()
            now = time.monotonic()
            if now >= self._deadline and not self.ended:
                self._deadline = math.inf
                self.timed_out = True
                self.end()
            if now >= self._kill_at:
                self._kill_at = math.inf
                self._child.signal_group(signal.SIGKILL)

    def end(self) -> None:
        """Begin to stop the child; `until` goes on with it."""
        self.ending = True
        self._child.signal_group(signal.SIGTERM)
        self._kill_at = min(self._kill_at, time.monotonic() + _TERM_TO_KILL_S)

    def _stop(self, source: FileDescriptorLike) -> None:
        self.forget(source)  # it stays readable for ever
        self.end()

    def _note_end(self, source: FileDescriptorLike | None = None) -> None:
        if source is not None:
            self.forget(source)
        self.ended = True

    def _timeout_s(self, leave_at: float) -> float | None:
        until = min(self._kill_at, self._deadline, leave_at)
        left_s = max(0.0, until - time.monotonic())
        if self._child.pidfd is None and not self.ended:
            return min(left_s, _POLL_S)
        return None if math.isinf(left_s) else left_s


def copy(source: FileDescriptorLike, output: Excerpt, to: int) -> bool:
    """Keep and pass on what can be read; return False at the end of it."""
    data = os.read(number(source), READ_BYTES)
    output.add(data)
    _write(to, data)
    return bool(data)


def number(source: FileDescriptorLike) -> int:
    """Return the file descriptor's number."""
    return source if isinstance(source, int) else source.fileno()


def _write(to: int, data: bytes) -> None:
    rest = memoryview(data)
    # A log that nobody takes is no reason to fail a datum.
    with contextlib.suppress(OSError):
        while rest:
            rest = rest[os.write(to, rest) :]
