"""Ctrl-C, `kill` and a closed terminal as an exception: every `with` block is left properly.

Called by `main`, around everything. Knows nothing of commands.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Generator
from types import FrameType

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):  # as KeyboardInterrupt: no `except Exception` may swallow it
    """A signal asked this process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


@contextlib.contextmanager
def as_exceptions() -> Generator[None]:
    """Raise `Stopped` in the main thread when a signal asks for the end.

    A signal that is ignored from the start (as SIGHUP under nohup) stays ignored.
    """
    before = {number: signal.getsignal(number) for number in _STOPPING}
    for number, handler in before.items():
        if handler != signal.SIG_IGN:
            signal.signal(number, _raise)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _raise(number: int, _frame: FrameType | None) -> None:
    raise Stopped(number)
