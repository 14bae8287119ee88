from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from falconeri.cluster import sandbox
from tests.cluster.factories import eventually, is_alive, mounts

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox takes Linux")

NOBODY = 65534


class Sandbox:
    """Starts the launcher on directories of a test."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.root = directory / "root"
        self.root.mkdir()
        self.python = sys.executable
        self.launcher = Path(sandbox.__file__)
        self.started: list[subprocess.Popen[str]] = []

    def start(
        self, script: str, *binds: tuple[Path, str], user: int | None = None
    ) -> subprocess.Popen[str]:
        return self.launch(("/bin/sh", "-euc", script), *binds, user=user)

    def launch(
        self, command: tuple[str, ...], *binds: tuple[Path, str], user: int | None = None
    ) -> subprocess.Popen[str]:
        pairs = [place for bind in binds for place in bind]
        process = subprocess.Popen(
            [
                *(self.python, "-I", "-S", self.launcher),
                *(self.directory, self.root, *pairs, "--", *command),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )
        self.started.append(process)
        return process

    def run(
        self, script: str, *binds: tuple[Path, str], user: int | None = None
    ) -> tuple[int, str]:
        process = self.start(script, *binds, user=user)
        code = process.wait()  # not `communicate`, which would end the standard input
        assert process.stdout is not None
        assert process.stderr is not None
        return code, process.stdout.read() + process.stderr.read()

    def folder(self, name: str) -> Path:
        path = self.directory / name
        path.mkdir()
        return path


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Sandbox]:
    box = Sandbox(tmp_path)
    yield box
    for process in box.started:
        with process:
            process.kill()


def entries(directory: str) -> list[str]:
    return sorted(path.name for path in Path(directory).iterdir())


def pid_in(file: Path) -> int:
    return int(file.read_text())


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.usefixtures("private_root")
def test_two_pods_at_the_same_time_see_different_files_under_the_same_path(box: Sandbox) -> None:
    one, two = box.folder("one"), box.folder("two")
    (one / "name").write_text("one")
    (two / "name").write_text("two")
    script = "cat /pfs/name; echo; echo $(cat /pfs/name) was here > /pfs/out; read line"
    first, second = box.start(script, (one, "/pfs")), box.start(script, (two, "/pfs"))
    assert (read_line(first), read_line(second)) == ("one", "two")
    eventually(lambda: (one / "out").exists() and (two / "out").exists(), what="outputs")
    assert (one / "out").read_text() == "one was here\n"
    assert (two / "out").read_text() == "two was here\n"


@pytest.mark.usefixtures("private_root")
def test_nothing_is_mounted_or_created_on_the_machine(box: Sandbox) -> None:
    before, top = mounts(), entries("/")
    process = box.start(
        "test -d /falconeri-a/b && test -d /etc/falconeri-c/d && echo ready; read line",
        (box.folder("one"), "/falconeri-a/b"),
        (box.folder("two"), "/etc/falconeri-c/d"),
    )
    assert read_line(process) == "ready"
    assert mounts() == before
    assert entries("/") == top
    assert not Path("/etc/falconeri-c").exists()
    assert list(box.root.iterdir()) == []
    process.kill()
    process.wait()
    assert mounts() == before


@pytest.mark.usefixtures("private_root")
def test_a_mount_point_inside_a_directory_of_the_machine_hides_nothing_of_it(box: Sandbox) -> None:
    (place := box.folder("secret")).joinpath("key").write_text("hush\n")
    code, said = box.run(
        "cat /etc/falconeri-x/y/key; ls -A /etc; wc -c < /etc/passwd",
        (place, "/etc/falconeri-x/y"),
    )
    assert code == 0, said
    secret, *listed, size = said.splitlines()
    assert secret == "hush"
    assert sorted(listed) == sorted([*entries("/etc"), "falconeri-x"])
    assert int(size) == Path("/etc/passwd").stat().st_size


@pytest.mark.usefixtures("private_root")
def test_the_rest_of_the_machine_is_as_it_was(box: Sandbox) -> None:
    code, said = box.run(
        "pwd; id -u; id -g; echo hello > written; ls -d /proc/self /dev/null /usr/bin/env",
        (box.folder("pfs"), "/pfs"),
    )
    assert code == 0, said
    assert said.split()[:3] == [str(box.directory), str(os.getuid()), str(os.getgid())]
    assert (box.directory / "written").read_text() == "hello\n"


@pytest.mark.usefixtures("private_root")
def test_a_pod_does_not_see_its_root_a_second_time_where_it_was_put_together(
    box: Sandbox,
) -> None:
    assert box.run(f"ls -A {box.root}", (box.folder("pfs"), "/pfs")) == (0, "")


@pytest.mark.usefixtures("private_root")
def test_a_program_can_make_a_sandbox_of_its_own(box: Sandbox) -> None:
    place = box.folder("pfs")
    (box.directory / "inner").mkdir()
    code, said = box.run(
        "! grep unbindable /proc/self/mountinfo;"
        f"unshare -Urm sh -euc 'mount --rbind / {box.directory}/inner;"
        f" ls -d {box.directory}/inner/pfs'",
        (place, "/pfs"),
    )
    assert (code, said.strip()) == (0, f"{box.directory}/inner/pfs")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
@pytest.mark.usefixtures("private_root")
def test_a_normal_user_gets_a_private_root_too(box: Sandbox) -> None:
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin")
    if python is None:
        pytest.skip("no Python that another user can run")
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        shutil.copy(sandbox.__file__, home / "sandbox.py")
        box.python, box.launcher, box.directory, box.root = (
            python,
            home / "sandbox.py",
            home,
            home / "root",
        )
        box.root.mkdir()
        place = box.folder("pfs")
        for path in (home, place, box.root):
            os.chown(path, NOBODY, NOBODY)
        before = mounts()
        code, said = box.run(
            "echo mine > /pfs/out; id -u; touch /etc/falconeri-x 2>/dev/null || echo refused",
            (place, "/pfs"),
            user=NOBODY,
        )
        assert (code, said.split()) == (0, [str(NOBODY), "refused"])
        assert (place / "out").read_text() == "mine\n"
        assert (place / "out").stat().st_uid == NOBODY
        assert mounts() == before


@pytest.mark.parametrize(
    ("script", "code"),
    [("exit 0", 0), ("exit 3", 3), ("kill -KILL $$", 137), ("kill -TERM $$", 143)],
)
def test_the_exit_code_tells_how_the_command_ended(box: Sandbox, script: str, code: int) -> None:
    assert box.run(script)[0] == code


def test_a_command_that_does_not_exist_is_told_from_one_that_cannot_be_run(box: Sandbox) -> None:
    (box.directory / "text").write_text("not a program")
    assert box.launch(("/nonexistent",)).wait() == sandbox.NOT_FOUND
    assert box.launch((str(box.directory / "text"),)).wait() == sandbox.NOT_EXECUTABLE


def test_a_pod_that_cannot_be_set_up_says_why(box: Sandbox) -> None:
    code, said = box.run("true", (box.directory / "missing", "/pfs"))
    assert code == sandbox.NOT_SET_UP
    assert said.startswith("falconeri pod: cannot start: ")


def test_sigterm_goes_to_the_command_alone(box: Sandbox) -> None:
    process = box.start(
        "trap 'echo parent got it; exit 7' TERM; mkfifo fifo;"
        " sh -c 'trap \"echo child got it\" TERM; echo ready; read line < fifo' & wait"
    )
    assert read_line(process) == "ready"
    process.terminate()
    assert process.wait() == 7
    assert process.stdout is not None
    assert process.stdout.read() == "parent got it\n"


def test_nothing_that_the_command_left_behind_survives_it(box: Sandbox) -> None:
    code, said = box.run(
        "sleep 1000 & echo $! > child; setsid sh -c 'echo $$ > daemon; exec sleep 1000' &"
        " while ! test -s daemon; do :; done"
    )
    assert (code, said) == (0, "")
    for name in ("child", "daemon"):
        assert not is_alive(pid_in(box.directory / name)), f"the {name} is alive"


def test_everything_dies_when_the_owner_is_gone(box: Sandbox) -> None:
    process = box.start(
        "trap '' TERM; echo $$ > command; setsid sh -c 'echo $$ > daemon; exec sleep 1000' &"
        " while ! test -s daemon; do :; done; echo ready; wait"
    )
    assert read_line(process) == "ready"
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait() == 128 + signal.SIGKILL
    for name in ("command", "daemon"):
        assert not is_alive(pid_in(box.directory / name)), f"the {name} is alive"


def test_the_command_dies_with_the_first_process(box: Sandbox) -> None:
    process = box.start("echo $$ > command; echo ready; exec sleep 1000")
    assert read_line(process) == "ready"
    process.kill()
    process.wait()
    command = pid_in(box.directory / "command")
    eventually(lambda: not is_alive(command), what="the end of the command")


def test_orphans_of_the_command_are_reaped_while_it_runs(box: Sandbox) -> None:
    process = box.start("sh -c 'sh -c \"exit 0\" & echo $! > orphan'; echo ready; exec sleep 1000")
    assert read_line(process) == "ready"
    orphan = pid_in(box.directory / "orphan")
    eventually(lambda: not Path(f"/proc/{orphan}").exists(), what="the end of the zombie")


def test_a_broken_pipe_ends_programs_as_usual(box: Sandbox) -> None:
    code, said = box.run("grep SigIgn /proc/self/status")
    assert code == 0
    ignored = int(said.split()[1], 16)
    assert not ignored & (1 << (signal.SIGPIPE - 1))
