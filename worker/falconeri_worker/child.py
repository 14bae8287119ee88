"""A process of the user's program, with its group, its pipes and what it leaves behind.

Started, watched and ended by `command` and by `resident`. Knows nothing of datums, nor of what the
pipes carry.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024
EXIT_OF_KILLED = 128 + signal.SIGKILL


class CommandNotStarted(Exception):
    """There is no such program, or it can't be executed, or its directory isn't there."""


@dataclass(frozen=True)
class Buried:
    """What is known of a child once it is reaped."""

    status: int
    cpu_s: float
    peak_memory_bytes: int


class Child:
    """A running program, the first of a process group of its own.

    On Linux it is tied to the thread that makes it: it dies with it.

    Args:
        argv: The program and its arguments; no shell.
        env: The whole environment; its PATH is searched.
        cwd: Where it begins; None: where we are.
        stdin: A file descriptor, or `subprocess.PIPE`.

    Raises:
        CommandNotStarted: It could not even begin.
    """

    def __init__(
        self, argv: Sequence[str], *, env: Mapping[str, str], cwd: str | None, stdin: int
    ) -> None:
        self._process = _spawn(argv, env, cwd, stdin)
        self._waited: Buried | None = None
        self._buried = False
        self.pid = self._process.pid
        _ours.add(self.pid)
        self.pidfd = _pidfd(self.pid)
        """Readable once it has ended; None where the kernel can't tell of it."""

    @property
    def stdin(self) -> IO[bytes] | None:
        """Our end of its stdin, if that is a pipe."""
        return self._process.stdin

    @property
    def output_pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        """Our ends of its stdout and stderr."""
        stdout, stderr = self._process.stdout, self._process.stderr
        assert stdout is not None  # noqa: S101 - it was made so
        assert stderr is not None  # noqa: S101 - it was made so
        return stdout, stderr

    def has_ended(self) -> bool:
        """Look whether it runs no more; for where there is no pidfd, and between two uses."""
        if self._waited is None:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            self._waited = _measured(status, usage) if pid else None
        return self._waited is not None

    def signal_group(self, number: signal.Signals) -> None:
        """Send all of its group a signal. Not after `reap`: the number may be another's then."""
        # Gone already, or (macOS) nothing but zombies.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def reap(self) -> Buried:
        """Kill what is left of the group, wait for the program, and say what it used.

        In this order, since until the child is reaped no other group can have its number.
        """
        if not self._buried:
            self.signal_group(signal.SIGKILL)
            if self._waited is None:
                _, status, usage = os.wait4(self.pid, 0)
                self._waited = _measured(status, usage)
            self._buried = True
            self._process.returncode = os.waitstatus_to_exitcode(self._waited.status)
            _ours.discard(self.pid)
            if _adopts_orphans:
                _kill_orphans()
        assert self._waited is not None  # noqa: S101 - by whichever of the two
        return self._waited

    def close(self) -> None:
        """Kill and reap whatever still runs; close the pipes."""
        try:
            self.reap()
        finally:
            for pipe in (self._process.stdin, *self.output_pipes):
                if pipe is not None:
                    with contextlib.suppress(BrokenPipeError):
                        pipe.close()
            if self.pidfd is not None:
                os.close(self.pidfd)


def quoted(argv: Sequence[str]) -> str:
    """Write a command so that one sees where each argument begins: `["a", "b c"]`."""
    return json.dumps(list(argv), ensure_ascii=False)


def signal_name(number: int) -> str:
    """Return its name, such as `SIGKILL`."""
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return "unknown"


_adopts_orphans = False
_ours: set[int] = set()
"""Children that somebody holds: a resident program outlives the commands beside it."""


def adopt_orphans() -> None:
    """Have all that commands leave behind become ours, and be killed when they end. Linux only.

    For a program that starts nothing but commands: it counts every child as left behind.
    """
    global _adopts_orphans  # noqa: PLW0603 - of the process, as what it asks of the kernel
    if sys.platform == "linux" and not ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        _adopts_orphans = True


def bury_orphans() -> None:
    """Reap those that a running program has left behind and that have ended meanwhile."""
    if _adopts_orphans:
        for pid in _orphans():
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def _spawn(
    argv: Sequence[str], env: Mapping[str, str], cwd: str | None, stdin: int
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            argv,
            env=env,
            cwd=cwd,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            process_group=0,
            preexec_fn=_tie_to_this_thread(),  # noqa: PLW1509 (takes no lock, see there)
        )
    except OSError as ex:
        if cwd is not None and ex.filename == cwd:
            raise CommandNotStarted(
                f"could not begin in the working directory {cwd}: {ex.strerror}"
            ) from ex
        raise CommandNotStarted(f"could not run {quoted(argv[:1])[1:-1]}: {ex.strerror}") from ex


def _tie_to_this_thread() -> Callable[[], None] | None:
    """Return what makes a child die with its parent, however that dies: Linux only.

    It runs between fork and exec, where other threads' locks are held for ever: it only calls
    functions of C that were looked up before.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.PyDLL(None).prctl
    parent = os.getpid()

    def tie() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:  # it died before it could be watched
            os._exit(EXIT_OF_KILLED)

    return tie


def _pidfd(pid: int) -> int | None:
    if sys.platform != "linux":
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:  # Linux before 5.3, or a sandbox that doesn't know it
        return None


def _measured(status: int, usage: resource.struct_rusage) -> Buried:
    return Buried(status, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * _MAXRSS_BYTES)


def _kill_orphans() -> None:
    """Kill what the command left behind outside its group: when one dies, its children are ours."""
    if not _ours:  # also where the kernel doesn't tell whom to kill
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
    while orphans := _orphans():
        killed = [pid for pid in orphans if _kill(pid)]
        if not killed:
            return  # only another user's (setuid programs), which we may not touch
        for pid in killed:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _orphans() -> list[int]:
    """The pids of our children, of all threads, that nobody holds; none if the kernel won't say."""
    found: list[int] = []
    for listing in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(pid) for pid in listing.read_text(encoding="ascii").split()]
    return [pid for pid in found if pid not in _ours]


def _kill(pid: int) -> bool:
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False
