"""A folder that PostgreSQL can enter, and a running local stack."""

import signal
import subprocess
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from falconeri.local._ports import free_ports
from falconeri_cli.connection import find
from tests.cli.command import ARGV, environment, falconeri_command
from tests.conftest import CopyState
from tests.folders import public_folder
from tests.processes import wait_until_nothing_is_left


@dataclass(frozen=True)
class Stack:
    """A stack that is up, in a process of its own."""

    state: Path
    process: subprocess.Popen[str]

    def command(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return falconeri_command(*arguments, stdin=stdin, FALCONERI_STATE=str(self.state))

    def jobs(self) -> list[str]:
        """The jobs' names, the newest first."""
        client = find({"FALCONERI_STATE": str(self.state)}).client()
        return [job.job_name for job in client.list_jobs()]


@pytest.fixture
def empty_folder() -> Iterator[Path]:
    """A directory that everybody may enter, as pytest's own may not; no process may outlive it."""
    with public_folder("cli") as made:
        yield made
        wait_until_nothing_is_left(made)


@pytest.fixture
def folder(empty_folder: Path, used_state: CopyState) -> Path:
    """The same, with the `state` of a stack that has been up, so that the next starts sooner."""
    used_state(empty_folder / "state")
    return empty_folder


@pytest.fixture(scope="session")
def stack(used_state: CopyState) -> Iterator[Stack]:
    """A stack for all tests that leave it up."""
    with public_folder("cli") as made:
        used_state(made / "state")
        with stack_up(made / "state") as running:
            yield running
        wait_until_nothing_is_left(made)


@contextmanager
def stack_up(state: Path) -> Generator[Stack]:
    """`falconeri local up`, from when it says so until Ctrl-C or until somebody has stopped it."""
    process = subprocess.Popen(
        [*ARGV, "local", "up", "--port", str(free_ports()[0]), "--workers", "2"],
        env=environment({"FALCONERI_STATE": str(state)}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        if not process.stdout.readline().startswith("Falconeri is up at "):
            pytest.fail(process.communicate()[1])
        yield Stack(state, process)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert (process.returncode, errors) == (0, "falconeri: stopped\n")
