"""A transfer by each of the programs, in turn: how long it takes, how much memory the program has.

Called by `./run bench storage`. Each transfer is a process of its own, as a whole, from its start
to its end; what arrived is compared with what was sent.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import file_digest
from pathlib import Path
from statistics import median

from falconeri.storage.pool import FILE_THREADS, PART_THREADS
from tests.storage.rclone_server import RCLONE

PART_BYTES = 16 << 20
PARTS_AT_ONCE = PART_THREADS
FILES_AT_ONCE = FILE_THREADS

OURS = "falconeri"


class TransferBroken(Exception):
    """A program failed, or what arrived isn't what was sent."""


@dataclass(frozen=True)
class Transfer:
    """What is to be moved.

    Args:
        name: For people.
        what: `down` or `up`.
        source: The file or directory that the store has, or is to have.
        uri: Of it in the store; of a directory, with a `/` at the end.
    """

    name: str
    what: str
    source: Path
    uri: str


@dataclass(frozen=True)
class Run:
    """One process."""

    seconds: float
    cpu_s: float
    peak_bytes: int


@dataclass(frozen=True)
class Case:
    """All runs of one transfer, by program."""

    name: str
    runs: dict[str, list[Run]] = field(default_factory=dict[str, list[Run]])

    def seconds(self, program: str) -> float:
        """The median."""
        return median(run.seconds for run in self.runs[program])

    def cpu_s(self, program: str) -> float:
        """The median of the processor's time."""
        return median(run.cpu_s for run in self.runs[program])

    def peak_bytes(self, program: str) -> int:
        """The most memory of all runs."""
        return max(run.peak_bytes for run in self.runs[program])

    def ratios(self, peer: str) -> list[float]:
        """How many times as fast as the peer we were, in each round."""
        rounds = zip(self.runs[OURS], self.runs[peer], strict=True)
        return [theirs.seconds / ours.seconds for ours, theirs in rounds]


class Bench:
    """Measures transfers.

    Args:
        stored: The directory that the server keeps, by which a store is looked at.
        environment: Of each program: how the server is reached.
        scratch: For what comes down.
        rounds: How often each program has its turn.
    """

    def __init__(
        self, stored: Path, environment: dict[str, str], scratch: Path, *, rounds: int
    ) -> None:
        self._stored = stored
        self._environment = environment
        self._scratch = scratch
        self._rounds = rounds
        self._sent: dict[Path, Contents] = {}

    def measure(self, transfer: Transfer) -> Case:
        """Let each program make a transfer."""
        case = Case(transfer.name)
        for _ in range(self._rounds):
            for program, command in PROGRAMS.items():
                case.runs.setdefault(program, []).append(self._run(transfer, command))
        return case

    def _run(self, transfer: Transfer, command: Command) -> Run:
        down = transfer.what == "down"
        stored = self._stored / transfer.uri.removeprefix("s3://")
        target = self._scratch / "got" if down else stored
        _remove(target)
        os.sync()  # what was written before is not this program's
        path = target if down else transfer.source
        argv = command(transfer.what, transfer.uri, str(path))
        begun = time.monotonic()
        process = subprocess.Popen(argv, env=os.environ | self._environment)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise TransferBroken(f"{argv}: exit status {process.returncode}")
        if _contents(target) != self._contents_of(transfer.source):
            raise TransferBroken(f"{target} is not as {transfer.source}")
        if down:
            _remove(target)
        return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)

    def _contents_of(self, source: Path) -> Contents:
        """Read it once."""
        if source not in self._sent:
            self._sent[source] = _contents(source)
        return self._sent[source]


Contents = dict[Path, str]

Command = Callable[[str, str, str], list[str]]


def _python(module: str, *options: str) -> Command:
    program = [sys.executable, "-m", f"benchmarks.stores.{module}", *options]
    return lambda what, uri, path: [*program, what, uri, path]


def _rclone(what: str, uri: str, path: str) -> list[str]:
    remote = "falconeri:" + uri.removeprefix("s3://")
    options = [
        *("--config", "", "--transfers", str(FILES_AT_ONCE), "--checkers", str(FILES_AT_ONCE)),
        *("--multi-thread-cutoff", str(2 * PART_BYTES), "--multi-thread-chunk-size", "16Mi"),
        *("--multi-thread-streams", str(PARTS_AT_ONCE)),
        *("--s3-upload-concurrency", str(PARTS_AT_ONCE), "--s3-chunk-size", "16Mi"),
    ]
    verb = "copy" if uri.endswith("/") else "copyto"
    places = [remote, path] if what == "down" else [path, remote]
    return [str(RCLONE), verb, *options, *places]


PROGRAMS: dict[str, Command] = {
    OURS: _python("ours"),
    "boto3": _python("plain_boto3"),
    "boto3, ETags compared": _python("plain_boto3", "--compare"),
    "rclone": _rclone,
}


def rclone_settings(settings: dict[str, str], provider: str) -> dict[str, str]:
    """The settings of a store as rclone's client takes them."""
    return {
        "RCLONE_CONFIG_FALCONERI_TYPE": "s3",
        "RCLONE_CONFIG_FALCONERI_PROVIDER": provider,
        "RCLONE_CONFIG_FALCONERI_ENDPOINT": settings["AWS_ENDPOINT_URL"],
        "RCLONE_CONFIG_FALCONERI_ACCESS_KEY_ID": settings["AWS_ACCESS_KEY_ID"],
        "RCLONE_CONFIG_FALCONERI_SECRET_ACCESS_KEY": settings["AWS_SECRET_ACCESS_KEY"],
    }


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _contents(path: Path) -> Contents:
    """The digests of a file, or of all in a directory."""
    files = path.iterdir() if path.is_dir() else [path]
    return {file.relative_to(path): _digest(file) for file in files}


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return file_digest(opened, "sha1").hexdigest()
