"""Runs the user's command: starts it, copies and keeps what it prints, cleans up behind it.

Called by `datum`, in the main thread: on Linux the child is tied to the thread that made it. One
loop over file descriptors does all of it, without threads. Knows nothing of datums.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import math
import os
import resource
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self

from falconeri_worker.cgroup import oom_kills
from falconeri_worker.excerpt import Excerpt
from falconeri_worker.stopping import Stop

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

_TERM_TO_KILL_S = 2.0
"""How long a command that is stopped may clean up after itself."""

_PIPE_GRACE_S = 1.0
"""How long after its end other processes may go on printing to its pipes."""

_POLL_S = 0.05
"""How often to look for the end where the kernel can't tell of it (macOS, old Linux)."""

_READ_BYTES = 64 * 1024
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024
_EXIT_OF_KILLED = 128 + signal.SIGKILL


class CommandNotStarted(Exception):
    """There is no such program, or it can't be executed."""


@dataclass(frozen=True, kw_only=True)
class Finished:
    """How a command ended, and what it used. One of `exit_code` and `signal` is None."""

    exit_code: int | None
    signal: int | None
    output: str
    cpu_s: float
    """User and system time of the command and of the children it waited for."""
    peak_memory_bytes: int
    """Of the largest single process; never less than the worker's own size at the start."""
    out_of_memory: bool
    """Whether the kernel killed it for lack of memory."""

    @property
    def failure(self) -> str | None:
        """Say what went wrong: `exit status 3`, `signal 9 (SIGKILL)`; None after success."""
        if self.signal is not None:
            return f"signal {self.signal} ({_signal_name(self.signal)})"
        return f"exit status {self.exit_code}" if self.exit_code else None


def run(
    argv: Sequence[str], *, env: Mapping[str, str], stops: Sequence[Stop], output: Excerpt
) -> Finished:
    """Run a command to its end and return how that was.

    Its process group ends with it: what it left in the background is killed. stdin is empty.

    Args:
        argv: The program and its arguments; no shell.
        env: The whole environment; its PATH is searched.
        stops: Wishes to stop: the group gets SIGTERM, and SIGKILL two seconds later.
        output: Gets what it prints, while it prints.

    Raises:
        CommandNotStarted: It could not even begin.
        BaseException: The reason of the wish to stop that came true, once nothing runs any more.
    """
    kills_before = oom_kills()
    with _Running(argv, env, output) as running:
        running.watch(stops)
        for stop in stops:
            stop.check()
        status, cpu_s, peak_memory_bytes = running.reap()
    code = os.waitstatus_to_exitcode(status)
    killed = code in (-signal.SIGKILL, _EXIT_OF_KILLED)
    return Finished(
        exit_code=code if code >= 0 else None,
        signal=-code if code < 0 else None,
        output=output.text(),
        cpu_s=cpu_s,
        peak_memory_bytes=peak_memory_bytes,
        out_of_memory=killed and (oom_kills() or 0) > (kills_before or 0),
    )


def quoted(argv: Sequence[str]) -> str:
    """Write a command so that one sees where each argument begins: `["a", "b c"]`."""
    return json.dumps(list(argv), ensure_ascii=False)


_adopts_orphans = False


def adopt_orphans() -> None:
    """Have all that commands leave behind become ours, and be killed when they end. Linux only.

    For a program that starts nothing but commands: it counts every child as left behind.
    """
    global _adopts_orphans  # noqa: PLW0603 - of the process, as what it asks of the kernel
    if sys.platform == "linux" and not ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        _adopts_orphans = True


class _Running:
    """A child and its pipes. Leaving the block kills and reaps whatever still runs."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], output: Excerpt) -> None:
        self._output = output
        self._process = _spawn(argv, env)
        self._pidfd = _pidfd(self._process.pid)
        self._selector = selectors.DefaultSelector()
        self._open_pipes = 0
        self._ended = False
        self._found_ended: tuple[int, float, int] | None = None
        self._buried: tuple[int, float, int] | None = None
        self._kill_at = math.inf
        self._grace_until = math.inf

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.reap()
        finally:
            self._selector.close()
            for pipe in (self._process.stdout, self._process.stderr):
                if pipe:
                    pipe.close()
            if self._pidfd is not None:
                os.close(self._pidfd)

    def watch(self, stops: Sequence[Stop]) -> None:
        """Return when the command has ended and its pipes are empty, or given up."""
        self._watch_pipe(self._process.stdout, 1)
        self._watch_pipe(self._process.stderr, 2)
        for stop in stops:
            self._on_readable(stop, self._stop)
        if self._pidfd is not None:
            self._on_readable(self._pidfd, self._note_end)
        while not (self._ended and (not self._open_pipes or time.monotonic() > self._grace_until)):
            for key, _ in self._selector.select(self._timeout_s()):
                action: Callable[[FileDescriptorLike], None] = key.data
                action(key.fileobj)
            if self._pidfd is None and not self._ended:
                self._look_for_end()
            if time.monotonic() >= self._kill_at:
                self._kill_at = math.inf
                self._signal_group(signal.SIGKILL)

    def reap(self) -> tuple[int, float, int]:
        """Kill what is left of the group; return the child's wait status, CPU seconds, peak bytes.

        In this order, since until the child is reaped no other group can have its number.
        """
        if self._buried is None:
            self._signal_group(signal.SIGKILL)
            self._buried = self._found_ended or self._measured(os.wait4(self._process.pid, 0))
            if _adopts_orphans:
                _kill_orphans()
        return self._buried

    def _watch_pipe(self, pipe: IO[bytes] | None, copy_to: int) -> None:
        def copy(source: FileDescriptorLike) -> None:
            if data := os.read(_number(source), _READ_BYTES):
                self._output.add(data)
                _write(copy_to, data)
            else:
                self._selector.unregister(source)
                self._open_pipes -= 1

        if pipe is not None:  # it never is
            self._open_pipes += 1
            self._on_readable(pipe, copy)

    def _on_readable(
        self, source: FileDescriptorLike, action: Callable[[FileDescriptorLike], None]
    ) -> None:
        self._selector.register(source, selectors.EVENT_READ, action)

    def _stop(self, source: FileDescriptorLike) -> None:
        self._selector.unregister(source)  # it stays readable for ever
        self._signal_group(signal.SIGTERM)
        self._kill_at = min(self._kill_at, time.monotonic() + _TERM_TO_KILL_S)

    def _note_end(self, source: FileDescriptorLike | None = None) -> None:
        if source is not None:
            self._selector.unregister(source)
        self._ended = True
        self._grace_until = time.monotonic() + _PIPE_GRACE_S

    def _look_for_end(self) -> None:
        pid, status, usage = os.wait4(self._process.pid, os.WNOHANG)
        if pid:
            self._found_ended = self._measured((pid, status, usage))
            self._note_end()

    def _timeout_s(self) -> float | None:
        until = min(self._kill_at, self._grace_until)
        left_s = max(0.0, until - time.monotonic())
        if self._pidfd is None and not self._ended:
            return min(left_s, _POLL_S)
        return None if math.isinf(left_s) else left_s

    def _signal_group(self, number: signal.Signals) -> None:
        # Gone already, or (macOS) nothing but zombies.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _measured(self, waited: tuple[int, int, resource.struct_rusage]) -> tuple[int, float, int]:
        _, status, usage = waited
        self._process.returncode = os.waitstatus_to_exitcode(status)  # Popen need not look itself
        return status, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * _MAXRSS_BYTES


def _spawn(argv: Sequence[str], env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            argv,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            process_group=0,
            preexec_fn=_tie_to_this_process(),  # noqa: PLW1509 (takes no lock, see there)
        )
    except OSError as ex:
        raise CommandNotStarted(f"could not run {quoted(argv[:1])[1:-1]}: {ex.strerror}") from ex


def _tie_to_this_process() -> Callable[[], None] | None:
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
            os._exit(_EXIT_OF_KILLED)

    return tie


def _pidfd(pid: int) -> int | None:
    if sys.platform != "linux":
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:  # Linux before 5.3, or a sandbox that doesn't know it
        return None


def _kill_orphans() -> None:
    """Kill what the command left behind outside its group: when one dies, its children are ours."""
    with contextlib.suppress(ChildProcessError):
        while True:
            if os.waitpid(-1, os.WNOHANG)[0]:
                continue
            killed = [pid for pid in _children() if _kill(pid)]
            if not killed:
                return  # only another user's (setuid programs), which we may not touch
            os.waitpid(-1, 0)


def _children() -> list[int]:
    """The pids of our children, of all threads; none where the kernel doesn't tell."""
    found: list[int] = []
    for listing in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(pid) for pid in listing.read_text(encoding="ascii").split()]
    return found


def _kill(pid: int) -> bool:
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False


def _write(to: int, data: bytes) -> None:
    rest = memoryview(data)
    # A log that nobody takes is no reason to fail a datum.
    with contextlib.suppress(OSError):
        while rest:
            rest = rest[os.write(to, rest) :]


def _number(source: FileDescriptorLike) -> int:
    return source if isinstance(source, int) else source.fileno()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return "unknown"
