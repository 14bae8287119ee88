"""Finding and killing a stack's real processes by their command line."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.cli.processes import processes_of, wait_until


def find(folder: Path, words: str) -> set[int]:
    """The processes of the stack (or test) in `folder` whose command line has these words."""
    return {pid for pid, line in processes_of(folder).items() if words in line}


def kill(folder: Path, words: str) -> set[int]:
    """kill -9 whatever `find` finds, which must be something."""
    pids = find(folder, words)
    assert pids, f"no process with {words}"
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    return pids


def await_none(folder: Path, words: str = "") -> None:
    """Until all those processes have ended."""
    wait_until(lambda: not find(folder, words))
