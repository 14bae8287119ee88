"""Finding and killing real processes by their command line."""

from __future__ import annotations

import os
import signal
from pathlib import Path


def find(*words: str) -> list[int]:
    """The processes whose command line has all these words."""
    found: list[int] = []
    for directory in Path("/proc").iterdir():
        if directory.name.isdigit() and int(directory.name) != os.getpid():
            try:
                line = (directory / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue  # it has ended meanwhile
            if all(word in line.split("\0") for word in words):
                found.append(int(directory.name))
    return found


def await_none(*words: str) -> None:
    """Until all those processes have ended."""
    while find(*words):
        os.sched_yield()


def kill(*words: str) -> None:
    """kill -9 whatever `find` finds, which must be something."""
    pids = find(*words)
    assert pids, f"no process with {words}"
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
