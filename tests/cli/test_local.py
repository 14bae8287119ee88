"""`falconeri local …`, from nothing: what is started, what is told, and that nothing is left."""

import os
import pty
import signal
import socket
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from falconeri.local.state import LocalState
from tests.cli.command import ARGV, environment, falconeri_command
from tests.cli.conftest import Stack, stack_up
from tests.cli.specs import COPY, WAIT, shell, spec_with, write_inputs, write_spec
from tests.processes import find, processes_of, wait_until, wait_until_nothing_is_left

pytestmark = pytest.mark.skipif(not Path("/proc").exists(), reason="looks for processes in /proc")


@contextmanager
def running(*arguments: str, folder: Path) -> Generator[subprocess.Popen[str]]:
    """A command with the folder's state, as a process; it is killed at the end."""
    with subprocess.Popen(
        [*ARGV, *arguments],
        env=environment({"FALCONERI_STATE": str(folder / "state")}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def local_run(folder: Path, program: str) -> tuple[str, ...]:
    """The arguments of a run of a program over two files."""
    write_inputs(folder, "a.txt", "b.txt")
    return "local", "run", write_spec(folder, shell(program, folder)), "--workers", "2"


def test_a_run_from_nothing_leaves_outputs_and_no_processes(empty_folder: Path) -> None:
    folder = empty_folder
    answer = falconeri_command(*local_run(folder, COPY), FALCONERI_STATE=f"{folder}/state")
    assert (answer.returncode, answer.stderr) == (0, "")
    summary = answer.stdout.splitlines()
    assert summary[0].endswith(": done")
    assert summary[1] == "  datums   2 done, 0 failed, 0 retries"
    assert summary[3] == f"  outputs  file://{folder}/out/"
    assert (folder / "out" / "b.txt").read_text() == "content of b.txt\n"
    assert not (folder / "state" / "stack.json").exists()
    wait_until_nothing_is_left(folder)


def test_a_failed_run_names_the_failed_datums(folder: Path) -> None:
    program = "echo thinking; echo of nothing >&2; exit 7"
    answer = falconeri_command(*local_run(folder, program), FALCONERI_STATE=f"{folder}/state")
    assert answer.returncode == 1
    assert "  datums   0 done, 2 failed, 0 retries\n" in answer.stdout
    assert answer.stdout.count("exit status 7\n    | thinking\n    | of nothing\n") == 2


def test_a_wrong_spec_starts_nothing(empty_folder: Path) -> None:
    folder = empty_folder
    path = write_spec(folder, spec_with(egress={}))
    answer = falconeri_command("local", "run", path, FALCONERI_STATE=f"{folder}/state")
    assert answer.returncode == 2
    assert answer.stderr.count("\n") == 1
    assert not (folder / "state").exists()


def test_an_image_directory_that_is_not_there_starts_nothing(empty_folder: Path) -> None:
    folder = empty_folder
    spec = spec_with(transform={"image": "file:nosuch", "cmd": ["true"]})
    path = write_spec(folder, spec)
    answer = falconeri_command("local", "run", path, FALCONERI_STATE=f"{folder}/state")
    assert answer.returncode == 2
    assert f"transform.image: file://{folder}/nosuch" in answer.stderr
    assert not (folder / "state").exists()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_stopped_run_leaves_no_processes_and_says_how_to_go_on(
    folder: Path, number: signal.Signals, code: int
) -> None:
    with running(*local_run(folder, WAIT), folder=folder) as process:
        wait_until((folder / "began").exists)
        assert len(processes_of(folder)) > 5
        process.send_signal(number)
        out, err = process.communicate()
    assert (process.returncode, out) == (code, "")
    assert err.count("\n") == 1
    assert f"is kept in {folder}/state (`falconeri local up` goes on with it" in err
    wait_until_nothing_is_left(folder)


def test_a_killed_run_leaves_no_processes(folder: Path) -> None:
    with running(*local_run(folder, WAIT), folder=folder) as process:
        wait_until((folder / "began").exists)
        process.kill()
        process.communicate()
    wait_until_nothing_is_left(folder)
    assert LocalState(folder / "state").running_stack() is None


def test_the_next_stack_goes_on_with_an_unfinished_job(folder: Path) -> None:
    with running(*local_run(folder, WAIT), folder=folder) as process:
        wait_until((folder / "began").exists)
        process.kill()
        process.communicate()
    wait_until_nothing_is_left(folder)
    (folder / "go").touch()
    with stack_up(folder / "state") as stack:
        (name,) = stack.jobs()
        assert stack.command("job", "wait", name).stdout == "done\n"
    assert (folder / "out" / "a.txt").exists()


@pytest.mark.parametrize(
    "part", ["falconeri.daemon serve", "falconeri.daemon tasks", "postgres -D"]
)
def test_a_job_survives_the_death_of_a_part_of_the_stack(folder: Path, part: str) -> None:
    with running(*local_run(folder, WAIT), folder=folder) as process:
        wait_until((folder / "began").exists)
        pid = min(find(folder, part) - find(folder, "_watchdog.py"))
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: pid not in processes_of(folder))
        (folder / "go").touch()
        out, err = process.communicate()
    assert process.returncode == 0, err
    assert "  datums   2 done, 0 failed" in out


def test_a_run_uses_the_stack_that_is_up_and_leaves_it_up(stack: Stack, tmp_path: Path) -> None:
    write_inputs(tmp_path, "a.txt")
    answer = stack.command("local", "run", write_spec(tmp_path, shell(COPY, tmp_path)))
    assert answer.returncode == 0
    assert stack.command("local", "status").stdout.startswith("up at http://127.0.0.1:")
    assert stack.process.poll() is None


def test_nobody_outside_this_machine_can_reach_a_stack(stack: Stack) -> None:
    up = LocalState(stack.state).running_stack()
    assert up is not None
    for url in (up.url, up.wait_url, up.database_url):
        parts = urlsplit(url)
        assert parts.port is not None
        socket.create_connection(("127.0.0.1", parts.port)).close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", parts.port)).close()


def test_a_second_stack_is_refused_and_another_terminal_can_stop_the_first(folder: Path) -> None:
    with stack_up(folder / "state") as stack:
        second = stack.command("local", "up")
        assert second.returncode == 1
        assert f"already up in {folder}/state" in second.stderr
        assert stack.command("local", "down").stdout == "stopped\n"
        assert stack.process.wait() == 0
        assert stack.command("local", "status").returncode == 1
        assert stack.command("local", "down").returncode == 1


def test_a_taken_port_is_named_with_the_way_out(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        answer = falconeri_command("local", "up", "--port", port, FALCONERI_STATE=f"{folder}/state")
    assert answer.returncode == 1
    assert f"port {port} cannot be used" in answer.stderr
    assert "--port" in answer.stderr
    assert answer.stderr.count("\n") == 1


def test_a_stack_that_cannot_start_shows_the_last_lines_of_the_log(folder: Path) -> None:
    answer = falconeri_command(
        *local_run(folder, COPY),
        FALCONERI_STATE=f"{folder}/state",
        FALCONERI_DATABASE_URL="postgresql://nobody:s3cret@127.0.0.1:1/none",
    )
    assert answer.returncode == 1
    first, *log = answer.stderr.splitlines()
    assert first.startswith("falconeri: the database cannot be migrated")
    assert all(line.startswith("  | ") for line in log)
    assert "127.0.0.1" in "".join(log)
    assert "s3cret" not in answer.stderr


def test_ctrl_c_leaves_the_terminal_as_it_was(folder: Path) -> None:
    argv = [*ARGV, *local_run(folder, WAIT)]
    pid, terminal = pty.fork()
    if pid == 0:
        settings = {"FALCONERI_STATE": f"{folder}/state", "TERM": "xterm"}
        os.execve(argv[0], argv, environment(settings))  # noqa: S606  (no shell is wanted)
    shown = b""
    while b"0/2 done" not in shown or not (folder / "began").exists():
        shown += os.read(terminal, 65536)
    os.write(terminal, b"\x03")
    shown += read_to_end(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 130
    assert shown.rfind(b"\x1b[?25h") > shown.rfind(b"\x1b[?25l") >= 0
    assert shown.endswith(b"then ends it)\r\n")
    wait_until_nothing_is_left(folder)


def read_to_end(terminal: int) -> bytes:
    data = b""
    try:
        while more := os.read(terminal, 65536):
            data += more
    except OSError:  # Linux tells the end so
        pass
    return data
