"""Keeps one long-running program alive, and ends it for certain.

Called by `falconeri.local.stack`. The program runs in a session of its own, so that a Ctrl-C at
the terminal is its supervisor's to handle, and dies with its supervisor, even by `kill -9`: see
`_tied`. Knows nothing of what the program does.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from falconeri.local.logs import last_lines

_TIED = Path(__file__).with_name("_tied.py")
_PAUSES_S = (0.2, 0.5, 1.0, 2.0, 5.0)
_STEADY_S = 30.0  # after this long, an end counts as the first one again


class Supervised:
    """A program that is started again, with growing pauses, when it ends.

    Args:
        name: For people: "falconerid serve".
        argv: The program and its arguments; the program by its full path.
        log: Gets what it writes; lines are added.
    """

    def __init__(
        self, name: str, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, log: Path
    ) -> None:
        self.name = name
        self.log = log
        self.given_up = threading.Event()
        """Set when it has died too often to be started again."""
        self.deaths = 0
        """How often it has ended without being asked to."""
        self._argv = argv
        self._env = dict(env)
        self._cwd = cwd
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        # The kernel ties a child to the thread that started it: one thread for its whole life.
        self._thread = threading.Thread(target=self._keep_alive, name=name, daemon=True)

    def start(self) -> None:
        """Begin to keep the program alive; returns at once."""
        self._thread.start()

    def stop(self, limit_s: float) -> None:
        """Ask the program to end (SIGTERM), kill it if it takes longer than the limit.

        Returns when it is gone; it isn't started again.
        """
        with self._lock:
            self._stopping.set()
            if self._process is not None:
                self._process.terminate()
        if self._thread.ident is None:
            return
        self._thread.join(limit_s)
        if self._thread.is_alive() and self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._thread.join()

    def log_tail(self) -> list[str]:
        """The last lines that the program wrote."""
        return last_lines(self.log)

    def _keep_alive(self) -> None:
        pauses = list(_PAUSES_S)
        while not self._stopping.is_set():
            started = time.monotonic()
            try:
                self._run_once()
            except OSError as ex:
                self._note(f"cannot be started: {ex}")
            if self._stopping.is_set():
                return
            self.deaths += 1
            if time.monotonic() - started > _STEADY_S:
                pauses = list(_PAUSES_S)
            if not pauses:
                self._note("has ended too often: given up")
                self.given_up.set()
                return
            self._note(f"has ended: started again in {pauses[0]} s")
            self._stopping.wait(pauses.pop(0))

    def _run_once(self) -> None:
        with self.log.open("ab") as log, self._lock:
            if self._stopping.is_set():
                return
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_TIED), str(os.getpid()), *self._argv],
                env=self._env,
                cwd=self._cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._process.wait()

    def _note(self, text: str) -> None:
        with contextlib.suppress(OSError), self.log.open("a") as log:
            log.write(f"{self.name} {text}\n")
