"""State directories, starters in processes of their own, and waiting for a server's end."""

import fcntl
import json
import os
import pwd
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import falconeri
from falconeri.local import Server
from tests.folders import public_folder

ROOT = Path(falconeri.__file__).parents[1]
LIMIT_S = 30.0


@dataclass(frozen=True)
class Starter:
    """A process with a server that is ready."""

    process: subprocess.Popen[str]
    url: str
    owner: bool

    def end(self) -> None:
        self.process.communicate("", timeout=LIMIT_S)


@pytest.fixture
def empty_state() -> Iterator[Path]:
    """An empty directory that everybody may enter, as pytest's own may not."""
    with public_folder("local") as folder:
        yield folder
        wait_until_gone(folder)


@pytest.fixture
def state(empty_state: Path, _stopped: Path) -> Path:
    """One in which a server has run: to make a database takes longer than most tests."""
    # With the owners, which shutil would not keep.
    subprocess.run(["/bin/cp", "-a", f"{_stopped}/.", empty_state], check=True)
    return empty_state


@pytest.fixture(scope="session")
def _stopped() -> Iterator[Path]:
    with public_folder("local") as folder:
        Server.start(folder, durable=False).stop()
        yield folder


def wait_until_gone(state: Path) -> None:
    """Return when no process of a server is alive; its lock tells without polling."""

    def wait() -> None:
        with (state / "running").open("a") as running:
            fcntl.flock(running, fcntl.LOCK_SH)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    thread.join(LIMIT_S)
    assert not thread.is_alive(), f"the server still runs after {LIMIT_S} s"


def launch(state: Path, python: str = sys.executable, uid: int | None = None) -> Starter:
    """Begin a starter and wait for its line, or fail with what it says instead."""
    return ready(spawn(state, python, uid))


def spawn(
    state: Path, python: str = sys.executable, uid: int | None = None
) -> subprocess.Popen[str]:
    site_packages = Path(pytest.__file__).parents[1]
    return subprocess.Popen(
        [python, "-m", "tests.local.starter", str(state)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{site_packages}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        user=uid,
        group=uid,
        extra_groups=None if uid is None else [],
    )


def ready(process: subprocess.Popen[str]) -> Starter:
    assert process.stdout is not None
    if not (line := process.stdout.readline()):
        _, errors = process.communicate(timeout=LIMIT_S)
        pytest.fail(errors)
    answer = json.loads(line)
    return Starter(process=process, url=answer["url"], owner=answer["owner"])


@pytest.fixture
def as_nobody() -> Callable[[Path, int | None], subprocess.Popen[str]]:
    """Spawn a starter as `nobody`, or as another user id; only root can."""
    if os.geteuid() != 0:
        pytest.skip("only root can change to another user")
    nobody = pwd.getpwnam("nobody").pw_uid
    python = _python_for(nobody)

    def start(state: Path, uid: int | None) -> subprocess.Popen[str]:
        chosen = nobody if uid is None else uid
        os.chown(state, chosen, -1)
        return spawn(state, python, chosen)

    return start


def _python_for(uid: int) -> str:
    """Find a Python that another user can run: the venv's may lie in root's home."""
    probe = "import sys, tests.local.starter; sys.exit(sys.version_info < (3, 11))"
    for python in (sys.executable, shutil.which("python3", path="/usr/bin:/usr/local/bin")):
        try:
            if python and not subprocess.call([python, "-c", probe], cwd=ROOT, user=uid):
                return python
        except PermissionError:
            continue
    pytest.skip("no Python that another user can run")
