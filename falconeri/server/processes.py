"""Several processes of one falconerid on one machine, which share both ports (SO_REUSEPORT).

Each is a falconerid of its own, with its own connections; they meet in the database only. The
parent serves nothing: it begins again whatever dies, and ends them all when it is told to. A
process whose parent was killed ends, too. Called by `falconeri.daemon`.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn

from falconeri.errors import FalconeriError, Unavailable
from falconeri.log import get_logger

log = get_logger(__name__)

RESTART_S = 1.0
"""The pause after a death: a process that dies at once must not cost a CPU."""

STOP_S = 29.0
"""How long they may take to stop; then they are killed. Kubernetes kills all after 30."""

_POLL_S = 0.1

Serve = Callable[[Callable[[], object]], None]
"""Serves until a signal; calls its argument when it is ready."""


@dataclass
class _Process:
    pid: int
    ready: int
    """The end of a pipe: a byte comes when it is ready, the pipe's end when it is gone."""
    is_ready: bool = False


def serve_by(count: int, serve: Serve) -> None:
    """Serve by so many processes until SIGTERM or SIGINT, then wait for them.

    To be called before any thread is started: processes are made by fork.

    Raises:
        Unavailable: One of the first could not start; it has said why, and the others are stopped.
    """
    _Parent(count, serve).run()


class _Parent:
    """Watches over them."""

    def __init__(self, count: int, serve: Serve) -> None:
        self._count = count
        self._serve = serve
        self._stopping = False
        self._processes: list[_Process] = []
        # The children hold the other end: it ends when this process is gone, however it goes.
        self._life, self._our_life = os.pipe()

    def run(self) -> None:
        """Start all, keep all, stop all.

        Raises:
            Unavailable: One of the first could not start.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        try:
            for _ in range(self._count):
                self._processes.append(self._start())
            self._await_first()
            if not self._stopping:
                log.info("processes_ready", processes=self._count)
            while not self._stopping:
                self._replace_dead()
                time.sleep(_POLL_S)
        finally:
            self._stop()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _await_first(self) -> None:
        while not self._stopping and not all(process.is_ready for process in self._processes):
            waiting = [process for process in self._processes if not process.is_ready]
            readable, _, _ = select.select([process.ready for process in waiting], [], [], _POLL_S)
            for process in waiting:
                if process.ready in readable:
                    if not os.read(process.ready, 1):
                        raise Unavailable("a process could not start", hint="its log says why")
                    process.is_ready = True

    def _replace_dead(self) -> None:
        for process in list(self._processes):
            pid, status = os.waitpid(process.pid, os.WNOHANG)
            if pid == 0:
                continue
            os.close(process.ready)
            self._processes.remove(process)
            log.error("process_died", pid=pid, status=os.waitstatus_to_exitcode(status))
            self._pause()
            self._processes.append(self._start())

    def _pause(self) -> None:
        until = time.monotonic() + RESTART_S
        while not self._stopping and time.monotonic() < until:
            time.sleep(_POLL_S)

    def _stop(self) -> None:
        left = {process.pid for process in self._processes}
        for pid in left:
            _kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_S
        while left := {pid for pid in left if not _is_gone(pid)}:
            if time.monotonic() > deadline:
                for pid in left:
                    _kill(pid, signal.SIGKILL)
            time.sleep(_POLL_S)

    def _start(self) -> _Process:
        ready, told = os.pipe()
        # A signal meant for the child must not find the parent's handler in it.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
        try:
            pid = os.fork()
            if pid == 0:
                os.close(ready)
                self._be_child(told)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))
        os.close(told)
        return _Process(pid, ready)

    def _be_child(self, told: int) -> NoReturn:
        """Serve, then end without a word of the parent's."""
        status = 1
        try:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))
            for process in self._processes:
                os.close(process.ready)
            os.close(self._our_life)
            threading.Thread(target=self._end_with_parent, name="life", daemon=True).start()
            self._serve(lambda: os.write(told, b"."))
            status = 0
        except FalconeriError as ex:
            log.error("serve_failed", error=str(ex))  # noqa: TRY400 - it says all without a trace
        except Exception:  # the outermost line of a process
            log.exception("serve_failed")
        finally:
            sys.stderr.flush()
            os._exit(status)

    def _end_with_parent(self) -> None:
        os.read(self._life, 1)
        os.kill(os.getpid(), signal.SIGTERM)


def _kill(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _is_gone(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] != 0
    except ChildProcessError:  # waited for before
        return True
