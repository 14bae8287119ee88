"""One local pod: a directory, and a worker in it with all that the worker starts.

Called by `local_job`. Knows nothing of jobs: it starts, waits, signals and cleans up.

    pods/<name>/pfs, scratch    the worker's /pfs and /scratch
    pods/<name>/secrets         its token, and copies of mounted secrets
    pods/<name>/root            where its private root is put together
    pods/<name>/log             what the worker wrote to stdout and stderr
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from falconeri.cluster import sandbox
from falconeri.cluster.leftovers import kill_leftovers
from falconeri.cluster.plan import PodPlan
from falconeri.log import get_logger
from falconeri.states import FailureClass

_log = get_logger(__name__)

LAUNCHER = (sys.executable, "-I", "-S", sandbox.__file__)
"""What runs a pod's first process."""

_SIGNALLED = 128
_KILLED = _SIGNALLED + signal.SIGKILL
_TAIL_BYTES = 2048
_TAIL_LINES = 10


@dataclass(frozen=True)
class PodEnd:
    """How a pod's worker ended."""

    exit_code: int
    """128 + n when signal n ended it."""
    out_of_memory: bool = False
    """It was killed, and the kernel has killed for lack of memory during its life."""

    @property
    def failure_class(self) -> FailureClass:
        """Whose fault it was, supposed that `exit_code` isn't 0 and that we didn't end it."""
        return FailureClass.OUT_OF_MEMORY if self.out_of_memory else FailureClass.LOST_WORKER

    @property
    def message(self) -> str:
        """What happened, in one line."""
        if self.out_of_memory:
            return "the machine ran out of memory and the kernel killed the worker"
        if self.exit_code == sandbox.NOT_SET_UP:
            return "the worker's pod could not be set up"
        if self.exit_code > _SIGNALLED:
            with contextlib.suppress(ValueError):
                name = signal.Signals(self.exit_code - _SIGNALLED).name
                return f"the worker was killed by {name}"
        return f"the worker exited with code {self.exit_code}"


class Pod:
    """A pod's directory and, between `launch` and the return of `wait`, its processes."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700)
        self.directory = directory
        self.name = directory.name
        self._log = directory / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self._ooms = 0
        # Held while signalling and while reaping, so that no signal reaches a reused pid.
        self._lock = threading.Lock()

    def launch(self, plan: PodPlan, command: Sequence[str]) -> None:
        """Start the worker.

        Raises:
            OSError: The machine has no room for another process.
        """
        root = self.directory / "root"
        root.mkdir()
        binds = [str(place) for bind in plan.binds for place in bind]
        self._ooms = _oom_kills()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*LAUNCHER, str(plan.cwd), str(root), *binds, "--", *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=dict(plan.environment),
                start_new_session=True,
            )

    def wait(self) -> PodEnd:
        """Wait until the worker and all it started have ended. To be called once."""
        process = self._process
        if process is None:
            raise ValueError("a pod is launched before it is waited for")
        if sys.platform == "linux":
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        else:
            process.wait()
        with self._lock:
            if not _exited_by_itself(process) and not kill_leftovers(
                [self.directory], session=process.pid
            ):
                _log.warning("pod_has_leftovers", pod_name=self.name)
            code = process.wait()
            self._process = None
            self._close_stdin(process)
        code = _SIGNALLED - code if code < 0 else code
        return PodEnd(code, out_of_memory=code == _KILLED and _oom_kills() > self._ooms)

    def terminate(self) -> None:
        """Ask the worker to end."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Have everything in the pod killed."""
        with self._lock:
            if self._process is not None:
                self._close_stdin(self._process)

    def kill_hard(self) -> None:
        """Kill the first process too, should it hang; `wait` finds the others."""
        self._signal(signal.SIGKILL)

    def last_words(self) -> str:
        """The end of the worker's log, at most ten lines; free of NUL."""
        try:
            with self._log.open("rb") as file:
                file.seek(max(0, self._log.stat().st_size - _TAIL_BYTES))
                text = file.read().decode(errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.replace("\0", "").splitlines()[-_TAIL_LINES:])

    def discard(self, *, keep_log: bool = False) -> None:
        """Delete the pod's directory, or all of it but the log."""
        if not keep_log:
            delete_tree(self.directory)
            return
        for path in self.directory.iterdir():
            if path.is_dir() and not path.is_symlink():
                delete_tree(path)
            elif path != self._log:  # a program without a private root can write here
                path.unlink()

    def _signal(self, number: signal.Signals) -> None:
        with self._lock:
            if self._process is not None:
                os.kill(self._process.pid, number)

    @staticmethod
    def _close_stdin(process: subprocess.Popen[bytes]) -> None:
        if process.stdin is not None:
            process.stdin.close()


def delete_tree(path: Path) -> None:
    """Delete a directory, also if a program has made parts of it read-only; log what can't be."""
    with contextlib.suppress(FileNotFoundError):
        try:
            shutil.rmtree(path)
        except PermissionError:
            for parent, folders, _ in os.walk(path):
                for folder in folders:
                    with contextlib.suppress(OSError):
                        Path(parent, folder).chmod(0o700)
            shutil.rmtree(path, ignore_errors=True)
    if path.exists():
        _log.warning("pod_directory_not_deleted", path=path)


def _exited_by_itself(process: subprocess.Popen[bytes]) -> bool:
    """Whether the first process came to its own end, by which it had killed all others."""
    if sys.platform != "linux":
        return False
    how = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    return how is not None and how.si_code == os.CLD_EXITED


def _oom_kills() -> int:
    """How many processes the kernel has ever killed for lack of memory; 0 if it doesn't tell."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/vmstat").read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(" ")
            if name == "oom_kill":
                return int(value)
    return 0
