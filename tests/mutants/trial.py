"""Runs tests against a mutated copy of the SQL, as fast as it goes.

Nothing is started twice: a trial is a fork of this process, which has imported all that is slow,
with a server whose `template1` is migrated already, so that only the functions are applied again.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import wait
from pathlib import Path
from unittest.mock import patch

import pytest

from falconeri.db.migrate import migrate
from falconeri.local import Server
from tests.databases import URL_VARIABLE
from tests.mutants.mutant import Mutant
from tests.plugins.embedded import make_logins_cheap

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 300.0
"""A mutant for which the tests wait longer has hung them: caught, too."""
SLOW_TO_IMPORT = ("hypothesis.stateful", "msgspec.json", "psycopg", "yoyo")

_FORK = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class Result:
    """What the tests said of a mutant; the name of the one that caught it."""

    mutant: Mutant | None
    verdict: str
    caught_by: str
    elapsed_s: float

    @property
    def caught(self) -> bool:
        """Whether a test failed, and the schema was whole."""
        return self.verdict == "caught"

    @property
    def survived(self) -> bool:
        """Whether all tests were content."""
        return self.verdict == "SURVIVED"

    def __str__(self) -> str:
        by = f"\n{'':17}{self.caught_by}" if self.caught_by else ""
        return f"{self.verdict:>8} {self.elapsed_s:5.1f} s {self.mutant}{by}"


class Bench:
    """A copy of `sql/` and a server of its own: on each, one trial at a time."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        folder.chmod(0o755)  # as root the server runs as somebody else
        self.folder = folder
        shutil.copytree(ROOT / "sql", folder / "sql")
        for name in SLOW_TO_IMPORT:
            import_module(name)
        self._servers = 0
        self._server = self._start()

    def _start(self) -> Server:
        self._servers += 1
        state = self.folder / f"server-{self._servers}"
        state.mkdir(mode=0o755)
        server = Server.start(state, durable=False)
        make_logins_cheap(server)
        migrate(f"{server.url.rpartition('/')[0]}/template1")
        return server

    @property
    def url(self) -> str:
        """The server's."""
        return self._server.url

    def renew(self) -> None:
        """Take another server: somebody was killed who had not cleared up."""
        self._server.stop()
        self._server = self._start()

    def close(self) -> None:
        """Stop the server."""
        self._server.stop()


class Trial:
    """Tests that run against a mutant, or against the SQL as it is."""

    def __init__(self, bench: Bench, mutant: Mutant | None, tests: Iterable[str]) -> None:
        self.bench, self.mutant = bench, mutant
        self._log = bench.folder / "pytest.log"
        self._began = time.monotonic()
        if mutant is not None:
            path = mutant.path(bench.folder)
            self._original = path.read_text()
            path.write_text(mutant.planted(self._original))
        sys.stdout.flush()  # else the fork prints it again
        self.process = _FORK.Process(target=_run, args=(bench, self._log, sorted(tests)))
        self.process.start()

    @property
    def left_s(self) -> float:
        """Seconds until it has hung."""
        return max(0.0, self._began + LIMIT_S - time.monotonic())

    @property
    def output(self) -> str:
        """What pytest has printed."""
        return self._log.read_text()

    def result(self) -> Result:
        """End the trial, if it has not ended itself, and clear up."""
        hung = self.process.exitcode is None
        if hung:
            self.process.kill()
            self.process.join()
            self.bench.renew()
        if self.mutant is not None:
            self.mutant.path(self.bench.folder).write_text(self._original)
        elapsed_s = time.monotonic() - self._began
        verdict, caught_by = ("caught", "it hangs") if hung else self._judge()
        return Result(self.mutant, verdict, caught_by, elapsed_s)

    def _judge(self) -> tuple[str, str]:
        """Whether tests failed; if they could not even begin, the mutant is no mutant."""
        output = self.output
        failed = re.search(r"^FAILED (.+?)( - .*)?$", output, re.MULTILINE)
        if failed is not None and not re.search(r"^ERROR ", output, re.MULTILINE):
            return "caught", failed[1]
        return ("SURVIVED" if self.process.exitcode == 0 else "BROKEN"), ""


def wait_for_one(trials: Sequence[Trial]) -> Trial:
    """Wait until one of the trials has ended, or hung."""
    by_sentinel = {trial.process.sentinel: trial for trial in trials}
    ended = wait(list(by_sentinel), timeout=min(trial.left_s for trial in trials))
    for sentinel in ended:
        if isinstance(sentinel, int):
            by_sentinel[sentinel].process.join()
            return by_sentinel[sentinel]
    return min(trials, key=lambda trial: trial.left_s)


def _run(bench: Bench, log: Path, tests: list[str]) -> None:
    """Be the fork: run pytest with this bench's SQL and server."""
    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.chdir(ROOT)
    os.environ[URL_VARIABLE] = bench.url
    os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(bench.folder)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # they cost more than most of the tests
    # Plain: what is imported already cannot be rewritten, and nobody reads these messages.
    argv = ["-x", "-q", "--assert=plain", "-p", "no:cacheprovider", *tests]
    with patch("falconeri.resources._PACKAGE", bench.folder / "falconeri"):
        sys.exit(pytest.main(argv))
