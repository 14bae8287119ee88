"""Runs a command from its start to its end: copies and keeps what it prints, cleans up behind it.

Called by `one_shot`. Knows nothing of datums.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from falconeri_worker.cgroup import oom_kills
from falconeri_worker.child import EXIT_OF_KILLED, Buried, Child, signal_name
from falconeri_worker.excerpt import Excerpt
from falconeri_worker.stopping import Stop
from falconeri_worker.watch import Watch, copy

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

_PIPE_GRACE_S = 1.0
"""How long after its end other processes may go on printing to its pipes."""


@dataclass(frozen=True, kw_only=True)
class Finished:
    """How a process ended, and what it used. One of `exit_code` and `signal` is None."""

    exit_code: int | None
    signal: int | None
    cpu_s: float
    """User and system time of the process and of the children it waited for."""
    peak_memory_bytes: int
    """Of the largest single process; never less than the worker's own size at the start."""
    out_of_memory: bool
    """Whether the kernel killed it for lack of memory."""
    timed_out: bool = False
    """Whether it was stopped for the time that it took."""

    @property
    def failure(self) -> str | None:
        """Say what went wrong: `exit status 3`, `signal 9 (SIGKILL)`; None after success."""
        if self.signal is not None:
            return f"signal {self.signal} ({signal_name(self.signal)})"
        return f"exit status {self.exit_code}" if self.exit_code else None


@dataclass(frozen=True, kw_only=True)
class Command:
    """What to run."""

    argv: Sequence[str]
    """The program and its arguments; no shell."""
    env: Mapping[str, str]
    """The whole environment; its PATH is searched."""
    cwd: str | None = None
    """Where it begins; None: where the worker is."""
    stdin: bytes = b""
    """All that it can read there."""
    timeout_s: float | None = None
    """How long it may run."""


def run(command: Command, *, stops: Sequence[Stop], output: Excerpt) -> Finished:
    """Run a command to its end and return how that was.

    Its process group ends with it: what it left in the background is killed.

    Args:
        command: What to run.
        stops: Wishes to stop: the group gets SIGTERM, and SIGKILL two seconds later.
        output: Gets what it prints, while it prints.

    Raises:
        CommandNotStarted: It could not even begin.
        BaseException: The reason of the wish to stop that came true, once nothing runs any more.
    """
    kills_before = oom_kills()
    with _stdin(command.stdin) as stdin:
        child = Child(command.argv, env=command.env, cwd=command.cwd, stdin=stdin)
    with closing(child), Watch(child, stops) as watch:
        watch.limit(command.timeout_s)
        _wait(child, watch, output)
        for stop in stops:
            stop.check()
        return finished(child.reap(), kills_before=kills_before, timed_out=watch.timed_out)


def finished(buried: Buried, *, kills_before: int | None, timed_out: bool) -> Finished:
    """Say how a process ended.

    Args:
        buried: What the kernel said.
        kills_before: `oom_kills()` before it began.
        timed_out: Whether it had to end.
    """
    code = os.waitstatus_to_exitcode(buried.status)
    killed = code in (-signal.SIGKILL, EXIT_OF_KILLED)
    return Finished(
        exit_code=code if code >= 0 else None,
        signal=-code if code < 0 else None,
        cpu_s=buried.cpu_s,
        peak_memory_bytes=buried.peak_memory_bytes,
        out_of_memory=killed and (oom_kills() or 0) > (kills_before or 0),
        timed_out=timed_out,
    )


def _wait(child: Child, watch: Watch, output: Excerpt) -> None:
    """Return when the command has ended and its pipes are empty, or given up."""
    open_pipes = 0

    def watch_pipe(pipe: IO[bytes], copy_to: int) -> None:
        def pass_on(source: FileDescriptorLike) -> None:
            nonlocal open_pipes
            if not copy(source, output, copy_to):
                watch.forget(source)
                open_pipes -= 1

        nonlocal open_pipes
        open_pipes += 1
        watch.on_readable(pipe, pass_on)

    for number, pipe in enumerate(child.output_pipes, start=1):
        watch_pipe(pipe, number)
    watch.until(lambda: watch.ended)
    watch.until(lambda: not open_pipes, within_s=_PIPE_GRACE_S)


@contextmanager
def _stdin(content: bytes) -> Generator[int]:
    """Give a file to read from. Not a pipe: nobody need wait for whoever doesn't read it all."""
    if not content:
        yield subprocess.DEVNULL
        return
    with _unnamed_file() as file:
        file.write(content)
        file.seek(0)
        yield file.fileno()


def _unnamed_file() -> IO[bytes]:
    if sys.platform == "linux":  # no need of a directory that can be written
        return open(os.memfd_create("stdin"), "w+b", buffering=0)  # noqa: PTH123 - has no path
    return tempfile.TemporaryFile(buffering=0)
