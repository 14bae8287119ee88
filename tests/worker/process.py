"""Starts the worker as a pod would: a process of its own with a few variables."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.worker.falconerid import TOKEN, Falconerid
from tests.worker.original import Original


class Worker:
    """A running worker; its directories are below `home`."""

    def __init__(
        self,
        home: Path,
        url: str,
        arguments: list[str],
        env: dict[str, str],
        launcher: Sequence[str] = (),
    ) -> None:
        self.home = home
        self.pfs = home / "pfs"
        self.scratch = home / "scratch"
        for directory in (self.pfs, self.scratch):
            directory.mkdir()
        (home / "password").write_text(TOKEN + "\n")
        settings = {
            "FALCONERI_URL": url,
            "FALCONERI_WAIT_URL": url,
            "FALCONERI_PASSWORD_FILE": str(home / "password"),
            "FALCONERI_POD_NAME": "pod-1",
            "FALCONERI_NODE_NAME": "node-1",
            "FALCONERI_PFS": str(self.pfs),
            "FALCONERI_SCRATCH": str(self.scratch),
        }
        self.process = subprocess.Popen(
            [*launcher, sys.executable, "-m", "falconeri_worker", *arguments],
            env=os.environ | settings | env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait(self) -> int:
        """Return the exit status; afterwards `stdout` and `stderr` are there."""
        self.stdout, self.stderr = self.process.communicate(timeout=60)
        return self.process.returncode

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = [line for line in self.stderr.splitlines() if line.startswith("{")]
        return [each for each in map(json.loads, lines) if each.get("event") == name]


@contextmanager
def working(
    home: Path, server: Falconerid | Original, launcher: Sequence[str] = (), **env: str
) -> Generator[Worker]:
    """Start a worker for the server's job, by a program that becomes it."""
    worker = Worker(home, server.url, [str(server.job_id)], env, launcher)
    try:
        yield worker
    finally:
        worker.process.kill()
        worker.process.communicate()
