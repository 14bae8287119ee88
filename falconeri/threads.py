"""The end of a process whose threads have used C libraries. Called by the daemon.

Python takes a thread for ended when its last line of Python is. The thread itself ends a moment
later, with the libraries' destructors; and daemon threads may not have ended at all. If the process
exits meanwhile, OpenSSL (libpq uses it for passwords, also without TLS) gives back in the main
thread what the other one is just giving back: a double free or a segmentation fault instead of the
exit status, once in some hundred stops of a busy machine. Python joins threads to their very end
from 3.13 on, and then only those that it is asked to.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

from falconeri.log import get_logger

log = get_logger(__name__)

LIMIT_S = 2.0
"""What has been told to end does so in milliseconds; what has not after this hangs in a call."""

_TASKS = Path("/proc/self/task")
_POLL_S = 0.002


def await_others(status: int, limit_s: float = LIMIT_S) -> None:
    """Return when this thread is the only one of the process, which then may exit.

    If others stay, end the process here and now with this status, and without the libraries' exit
    handlers, which would pull from under the others what they use.
    """
    until = time.monotonic() + limit_s
    while count() > 1:
        if time.monotonic() > until:
            log.warning("threads_cut_off", names=[thread.name for thread in threading.enumerate()])
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
        time.sleep(_POLL_S)


def count() -> int:
    """The threads of this process; where there is no /proc, those that Python knows of."""
    return sum(1 for _ in _TASKS.iterdir()) if _TASKS.is_dir() else threading.active_count()
