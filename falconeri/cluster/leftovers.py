"""Finds and kills what is left of a local pod whose first process could not clean up.

That process is the first to know all its pod's processes (see `sandbox`); this is for the case that
it was killed itself. Called by `pod` for its own pod, and by `local` for those of an earlier life.
A process belongs to a pod by its session or, whatever it did with that, by its environment.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Collection, Iterator
from pathlib import Path

MARKER = "FALCONERI_PASSWORD_FILE"
"""The variable of a pod's processes whose value, a path in the pod's directory, is only theirs."""


def kill_leftovers(
    pods: Collection[Path], *, session: int | None = None, patience_s: float = 1.0
) -> bool:
    """Kill all processes of some pods with SIGKILL, and wait until they have ended.

    Args:
        pods: The pods' directories.
        session: A session that belongs to them. The caller makes sure that its number is not
            another's by now: as long as its leader is not reaped, it can't be.
        patience_s: How long to wait for processes that take their time to die.

    Returns:
        Whether nothing is left.
    """
    if sys.platform != "linux":
        if session is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(session, signal.SIGKILL)
        return True
    deadline = time.monotonic() + patience_s
    while handles := list(_handles(pods, session)):
        try:
            _kill(handles, max(0.0, deadline - time.monotonic()))
        finally:
            for handle in handles:
                os.close(handle)
        if time.monotonic() > deadline:
            return False
    return True


def _kill(handles: list[int], patience_s: float) -> None:
    ended = select.poll()
    for handle in handles:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            ended.register(handle, select.POLLIN)
    ended.poll(patience_s * 1000)  # one of them: a new look tells about the others


def _handles(pods: Collection[Path], session: int | None) -> Iterator[int]:
    """A pidfd for each process of the pods, which unlike a pid can't come to mean another one."""
    folders = tuple(os.fsencode(f"{MARKER}={pod}/") for pod in pods)
    for entry in os.scandir("/proc"):
        pid = int(entry.name) if entry.name.isdigit() else os.getpid()
        if pid == os.getpid() or not _belongs(pid, folders, session):
            continue
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        if _belongs(pid, folders, session):
            yield handle
        else:
            os.close(handle)


def _belongs(pid: int, folders: tuple[bytes, ...], session: int | None) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
        # In words: pid (name) state parent group session …
        state, _, _, its_session, *_ = stat.rpartition(b")")[2].split()
        if state in {b"Z", b"X"}:
            return False
        if int(its_session) == session:
            return True
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False
    return any(entry.startswith(folders) for entry in environment)
