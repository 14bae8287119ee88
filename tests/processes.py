"""Finds what a local stack has started, whoever its parent is by now, and waits for conditions."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

LIMIT_S = 60.0


def wait_until(condition: Callable[[], T]) -> T:
    """Wait for something that is true, and return it."""
    deadline = time.monotonic() + LIMIT_S
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return found


def processes_of(folder: Path) -> dict[int, str]:
    """The command lines of all processes that have the folder in their environment or arguments."""
    name = str(folder).encode()
    found: dict[int, str] = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (process / "cmdline").read_bytes()
            if name in (process / "environ").read_bytes() + arguments:
                found[int(process.name)] = arguments.replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # gone meanwhile, or another user's
            continue
    return found


def find(folder: Path, words: str) -> set[int]:
    """Those of them whose command line has these words."""
    return {pid for pid, line in processes_of(folder).items() if words in line}


def kill(folder: Path, words: str) -> set[int]:
    """kill -9 whatever `find` finds, which must be something."""
    pids = find(folder, words)
    assert pids, f"no process with {words}"
    for pid in pids:
        with suppress(ProcessLookupError):  # gone with one that was killed before it
            os.kill(pid, signal.SIGKILL)
    return pids


def wait_until_nothing_is_left(folder: Path) -> None:
    deadline = time.monotonic() + LIMIT_S
    while left := processes_of(folder):
        assert time.monotonic() < deadline, f"still there: {left}"
        time.sleep(0.02)


def has_connections(pid: int) -> bool:
    """Whether a process has two sockets: a client that asked and now waits at the other port."""
    links: list[str] = []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            links.append(str(descriptor.readlink()))
        except OSError:  # closed meanwhile
            continue
    return sum(link.startswith("socket:") for link in links) == 2
