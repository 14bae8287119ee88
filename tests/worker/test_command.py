"""Commands are real processes here."""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Generator
from pathlib import Path

import pytest

from falconeri.errors import ClaimLost
from falconeri_worker import child, command
from falconeri_worker.child import CommandNotStarted
from falconeri_worker.command import Command, Finished, run
from falconeri_worker.excerpt import KEEP_BYTES, Excerpt
from falconeri_worker.stopping import Stop

ENV = {"PATH": os.environ["PATH"]}
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="uses a pidfd to watch")


@pytest.fixture
def stop() -> Generator[Stop]:
    stop = Stop()
    yield stop
    stop.close()


def sh(script: str, *stops: Stop) -> tuple[Finished, str]:
    return ended(Command(argv=["sh", "-c", script], env=ENV), *stops)


def python(script: str) -> tuple[Finished, str]:
    return ended(Command(argv=[sys.executable, "-c", script], env=ENV))


def ended(to_run: Command, *stops: Stop) -> tuple[Finished, str]:
    """Run it; return how it ended and what it printed."""
    output = Excerpt()
    finished = run(to_run, stops=stops, output=output)
    return finished, output.text()


def wait_for_end_of(pid: int) -> None:
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    poll = select.poll()
    poll.register(watched, select.POLLIN)
    assert poll.poll(60_000)
    os.close(watched)


def test_both_streams_are_kept_and_copied(capfd: pytest.CaptureFixture[str]) -> None:
    finished, output = sh("echo out; echo err >&2")

    assert (finished.exit_code, finished.signal, finished.failure) == (0, None, None)
    assert sorted(output.splitlines()) == ["err", "out"]
    assert capfd.readouterr() == ("out\n", "err\n")


@pytest.mark.parametrize(
    ("script", "exit_code", "signal", "failure"),
    [
        ("exit 3", 3, None, "exit status 3"),
        ("kill -9 $$", None, 9, "signal 9 (SIGKILL)"),
        ("exit 137", 137, None, "exit status 137"),
        ("kill -40 $$", None, 40, "signal 40 (unknown)"),
    ],
)
def test_an_exit_code_and_a_signal_are_told_apart(
    script: str, exit_code: int | None, signal: int | None, failure: str
) -> None:
    finished, _ = sh(script)

    assert (finished.exit_code, finished.signal, finished.failure) == (exit_code, signal, failure)
    assert not finished.out_of_memory


@pytest.mark.parametrize(
    ("kills", "script", "expected"),
    [
        ([0, 1], "kill -9 $$", True),
        ([0, 1], "exit 137", True),
        ([5, 5], "kill -9 $$", False),
        ([0, 1], "exit 1", False),
        ([None, None], "kill -9 $$", False),
    ],
)
def test_a_kill_is_for_lack_of_memory_only_if_the_kernel_counted_one(
    kills: list[int | None], script: str, expected: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "oom_kills", lambda: kills.pop(0))
    finished, _ = sh(script)
    assert finished.out_of_memory is expected


@pytest.mark.parametrize(
    ("content", "mode", "reason"),
    [
        (None, 0, "No such file or directory"),
        ("#!/bin/sh\n", 0o644, "Permission denied"),
        ("#!/no/such/shell\n", 0o755, "No such file or directory"),
        ("neither a script nor a program", 0o755, "Exec format error"),
    ],
)
def test_what_cannot_be_started_is_named(
    content: str | None, mode: int, reason: str, tmp_path: Path
) -> None:
    program = tmp_path / "program"
    if content is not None:
        program.write_text(content)
        program.chmod(mode)
    with pytest.raises(CommandNotStarted, match=f'could not run "{program}": {reason}'):
        ended(Command(argv=[str(program)], env=ENV))


def test_the_path_that_is_searched_is_the_commands_own(tmp_path: Path) -> None:
    (tmp_path / "greet").write_text("#!/bin/sh\necho hello\n")
    (tmp_path / "greet").chmod(0o755)

    _, output = ended(Command(argv=["greet"], env={"PATH": f"{tmp_path}:{ENV['PATH']}"}))

    assert output == "hello\n"


def test_stdin_is_empty() -> None:
    assert sh("cat")[1] == ""


def test_output_is_bounded_and_the_cut_is_told() -> None:
    _, output = python("import sys; sys.stdout.write('a' * 1_000_000 + 'z' * 1_000_000)")

    head, note, tail = output.split("\n")
    assert (head, tail) == ("a" * KEEP_BYTES, "z" * KEEP_BYTES)
    assert str(2_000_000 - 2 * KEEP_BYTES) in note


def test_bytes_that_no_database_keeps_are_replaced() -> None:
    assert python("import sys; sys.stdout.buffer.write(b'a\\0b\\xffc')")[1] == "a␀b\ufffdc"


def test_time_and_memory_are_measured() -> None:
    finished, _ = python("data = b'x' * 200_000_000; sum(range(3_000_000))")

    assert finished.cpu_s > 0
    assert 200_000_000 < finished.peak_memory_bytes < 2_000_000_000


@linux_only
def test_a_grandchild_that_holds_the_pipes_neither_blocks_nor_survives() -> None:
    finished, output = sh("sleep 600 & echo $!")

    assert finished.exit_code == 0
    wait_for_end_of(int(output))


@linux_only
def test_a_grandchild_that_has_closed_the_pipes_does_not_survive_either() -> None:
    _, output = sh("sleep 600 >/dev/null 2>&1 & echo $!")

    wait_for_end_of(int(output))


def test_what_a_grandchild_prints_at_once_is_kept() -> None:
    assert sh("(echo late) & exit 0")[1] == "late\n"


def when_printed(path: Path, stop: Stop) -> threading.Thread:
    """Wish to stop as soon as the command has opened the pipe `path`."""
    os.mkfifo(path)

    def wait() -> None:
        path.open().close()
        stop.request(ClaimLost())

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


@pytest.mark.parametrize("on_term", ["exit 0", ""])
def test_a_wish_to_stop_ends_even_a_command_that_ignores_it(
    on_term: str, stop: Stop, tmp_path: Path
) -> None:
    thread = when_printed(tmp_path / "ready", stop)

    with pytest.raises(ClaimLost):
        sh(f"trap '{on_term}' TERM; : > {tmp_path}/ready; while :; do sleep 0.1; done", stop)

    thread.join()


def test_a_command_that_is_stopped_may_clean_up(stop: Stop, tmp_path: Path) -> None:
    thread = when_printed(tmp_path / "ready", stop)

    with pytest.raises(ClaimLost):
        sh(
            f"trap 'echo > {tmp_path}/cleaned; exit' TERM; : > {tmp_path}/ready;"
            " while :; do sleep 0.1; done",
            stop,
        )

    thread.join()
    assert (tmp_path / "cleaned").exists()


def test_a_wish_that_was_there_before_counts(stop: Stop) -> None:
    stop.request(ClaimLost())
    with pytest.raises(ClaimLost):
        sh("sleep 600", stop)


def no_pidfd(_: int) -> None:
    return None


def test_without_a_pidfd_the_end_is_noticed_too(
    stop: Stop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "_pidfd", no_pidfd)
    thread = when_printed(tmp_path / "ready", stop)

    finished, output = sh("sleep 600 & echo hello; exit 4")
    with pytest.raises(ClaimLost):
        sh(f": > {tmp_path}/ready; sleep 600", stop)

    thread.join()
    assert (finished.exit_code, output) == (4, "hello\n")
    assert finished.peak_memory_bytes > 0


def open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def test_nothing_is_left_open() -> None:
    before = open_files()
    sh("echo")
    with pytest.raises(CommandNotStarted):
        ended(Command(argv=["no-such-program"], env=ENV))
    assert open_files() == before


def test_quoted_arguments_show_where_each_begins() -> None:
    assert child.quoted(["a b", "é"]) == '["a b", "é"]'
