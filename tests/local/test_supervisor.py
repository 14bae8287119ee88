import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from falconeri.local import supervisor
from falconeri.local.supervisor import Supervised
from tests.local.conftest import ROOT

LIMIT_S = 30.0
PROGRAM = """
import os, signal, sys
print("began", os.getpid(), flush=True)
signal.pause()
"""
STUBBORN = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + PROGRAM
OWNER = """
import sys, time
from pathlib import Path
from tests.local.test_supervisor import PROGRAM, supervised
supervised(Path(sys.argv[1]), PROGRAM).start()
sys.stdin.read()
"""

Make = Callable[[str], Supervised]


def supervised(folder: Path, program: str) -> Supervised:
    return Supervised(
        "program", [sys.executable, "-c", program], env=os.environ, cwd=folder, log=folder / "log"
    )


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Make]:
    """Start programs, and be sure that they are gone at the end."""
    started: list[Supervised] = []

    def start(program: str) -> Supervised:
        started.append(supervised(tmp_path, program))
        started[-1].start()
        return started[-1]

    yield start
    for each in started:
        each.stop(0)


def pids(log: Path) -> list[int]:
    lines = log.read_text().splitlines(keepends=True) if log.exists() else []
    # Whole ones: what is unbuffered is written a word at a time.
    whole = [line for line in lines if line.endswith("\n")]
    return [int(line.split()[1]) for line in whole if line.startswith("began")]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_program_that_dies_is_started_again(start: Make) -> None:
    program = start(PROGRAM)
    wait_until(lambda: len(pids(program.log)) == 1)
    os.kill(pids(program.log)[0], signal.SIGKILL)
    wait_until(lambda: len(pids(program.log)) == 2)
    assert program.deaths == 1
    assert not program.given_up.is_set()


def test_a_program_that_keeps_dying_is_given_up(
    start: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "_PAUSES_S", (0.0, 0.0))
    program = start("print('last words')")
    assert program.given_up.wait(LIMIT_S)
    assert program.deaths == 3
    assert "last words" in program.log_tail()


def test_a_program_that_cannot_be_started_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "_PAUSES_S", ())
    program = Supervised(
        "program", ["/nosuch"], env={}, cwd=tmp_path / "nosuch", log=tmp_path / "log"
    )
    program.start()
    assert program.given_up.wait(LIMIT_S)
    assert "cannot be started" in "".join(program.log_tail())


def test_stopping_ends_the_program_and_nothing_starts_it_again(start: Make) -> None:
    program = start(PROGRAM)
    wait_until(lambda: len(pids(program.log)) == 1)
    program.stop(LIMIT_S)
    assert not is_alive(pids(program.log)[0])
    assert program.deaths == 0


def test_a_program_that_ignores_the_request_is_killed(start: Make) -> None:
    program = start(STUBBORN)
    wait_until(lambda: len(pids(program.log)) == 1)
    program.stop(0.1)
    assert not is_alive(pids(program.log)[0])


def test_a_program_that_was_never_started_can_be_stopped(tmp_path: Path) -> None:
    supervised(tmp_path, PROGRAM).stop(0)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a child to its parent")
def test_a_program_does_not_survive_the_kill_of_its_supervisor(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", OWNER, str(tmp_path)]
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE) as owner:
        wait_until(lambda: len(pids(tmp_path / "log")) == 1)
        (pid,) = pids(tmp_path / "log")
        assert is_alive(pid)
        owner.kill()
    wait_until(lambda: not is_alive(pid))
