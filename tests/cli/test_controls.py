"""The commands that control a job or list what is in it, against a real stack."""

import json
import os
import pty
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import ARGV, environment
from tests.cli.conftest import Stack
from tests.cli.specs import COPY, WAIT, shell, write_inputs
from tests.processes import wait_until

FAIL_ON_B = f'{COPY}; if [ -e "${{FALCONERI_PFS:-/pfs}}"/in/b.txt ]; then echo oh no; exit 3; fi'


@pytest.fixture
def inputs(tmp_path: Path) -> None:
    write_inputs(tmp_path, "a.txt", "b.txt", "c.txt")


def submit(stack: Stack, program: str, folder: Path, **parts: Any) -> str:  # noqa: ANN401
    """Submit a job; its name."""
    ran = stack.command("job", "run", "-", stdin=shell(program, folder, **parts))
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def ended(stack: Stack, program: str, folder: Path, **parts: Any) -> str:  # noqa: ANN401
    """Submit a job and wait for its end; its name."""
    name = submit(stack, program, folder, **parts)
    stack.command("job", "wait", name)
    return name


def lines(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def objects(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.usefixtures("inputs")
def test_a_paused_job_waits_until_it_is_resumed(stack: Stack, tmp_path: Path) -> None:
    name = submit(stack, WAIT, tmp_path)
    wait_until((tmp_path / "began").exists)

    assert stack.command("job", "pause", name).stdout == "paused\n"
    paused = json.loads(stack.command("job", "pause", name, "--json").stdout)["job"]
    assert (paused["job_name"], paused["paused"], paused["status"]) == (name, True, "running")
    assert lines(stack.command("job", "list", "--limit", "1").stdout)[1][:2] == [name, "paused"]
    [listed] = json.loads(stack.command("job", "list", "--limit", "1", "--json").stdout)["jobs"]
    assert (listed["job_name"], listed["paused"]) == (name, True)
    assert stack.command("job", "resume", paused["id"]).stdout == "running\n"

    (tmp_path / "go").touch()
    assert stack.command("job", "wait", name).stdout == "done\n"
    refused = stack.command("job", "pause", name)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "job is not running" in refused.stderr


@pytest.mark.usefixtures("inputs")
def test_a_job_without_workers_goes_on_when_it_is_given_some(stack: Stack, tmp_path: Path) -> None:
    name = submit(stack, COPY, tmp_path, parallelism_spec={"constant": 0})

    assert stack.command("job", "scale", name, "2").stdout == "running\n"

    assert stack.command("job", "wait", name).stdout == "done\n"


@pytest.mark.usefixtures("inputs")
def test_only_matching_failures_are_retried_with_other_limits(stack: Stack, tmp_path: Path) -> None:
    name = ended(stack, FAIL_ON_B, tmp_path)

    unmatched = stack.command("job", "retry", name, "--matching", "disk full")
    assert (unmatched.returncode, unmatched.stdout) == (1, "")
    options = ("--matching", "status 3", "--parallelism", "0", "--tries", "7")
    again = json.loads(stack.command("job", "retry", name, *options, "--json").stdout)["job"]

    [datum] = objects(stack.command("job", "datums", again["id"], "--json").stdout)
    assert (datum["status"], datum["maximum_allowed_run_count"]) == ("ready", 7)
    assert stack.command("job", "cancel", again["id"]).stdout == "canceled\n"


@pytest.mark.usefixtures("inputs")
def test_jobs_are_listed_by_status_name_and_number(stack: Stack, tmp_path: Path) -> None:
    done = ended(stack, COPY, tmp_path, pipeline={"name": "list-a"})
    failed = ended(stack, FAIL_ON_B, tmp_path, pipeline={"name": "list-b"})

    def listed(*options: str) -> list[str]:
        return [line[0] for line in lines(stack.command("job", "list", *options).stdout)[1:]]

    assert listed("--name", "list-") == [failed, done]
    assert listed("--name", "list-", "--status", "done") == [done]
    assert listed("--name", "list-", "--limit", "1") == [failed]
    assert listed("--name", "list-c") == []


@pytest.mark.usefixtures("inputs")
def test_datums_attempts_and_outputs_are_tables_and_json(stack: Stack, tmp_path: Path) -> None:
    name = ended(stack, FAIL_ON_B, tmp_path, datum_tries=2)

    header, failed = lines(stack.command("job", "datums", name, "--status", "error").stdout)
    assert header == ["ID", "STATUS", "TRIES", "ERROR_MESSAGE"]
    assert failed[1:3] == ["error", "2/2"]
    datums = objects(stack.command("job", "datums", name, "--json").stdout)
    assert sorted(datum["status"] for datum in datums) == ["done", "done", "error"]

    history = stack.command("datum", "attempts", failed[0]).stdout
    assert [line[:2] for line in lines(history)] == [
        ["ATTEMPT", "OUTCOME"],
        ["1", "error"],
        ["|", "oh"],
        ["2", "error"],
        ["|", "oh"],
    ]
    attempts = json.loads(stack.command("datum", "attempts", failed[0], "--json").stdout)
    assert [each["exit_code"] for each in attempts["attempts"]] == [3, 3]

    assert lines(stack.command("job", "outputs", name).stdout) == [
        ["STATUS", "SIZE_BYTES", "URI"],
        *(["done", "17", f"file://{tmp_path}/out/{file}.txt"] for file in ("a", "c")),
    ]
    files = objects(stack.command("job", "outputs", name, "--json").stdout)
    assert [file["size_bytes"] for file in files] == [17, 17]


@pytest.mark.usefixtures("inputs")
def test_an_ended_job_is_deleted_and_its_outputs_stay(stack: Stack, tmp_path: Path) -> None:
    name = submit(stack, WAIT, tmp_path)
    wait_until((tmp_path / "began").exists)
    refused = stack.command("job", "delete", name, "--yes")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "job is running" in refused.stderr
    (tmp_path / "go").touch()
    stack.command("job", "wait", name)

    assert stack.command("job", "delete", name, "--yes").stdout == "deleted\n"

    assert name not in stack.jobs()
    assert (tmp_path / "out" / "a.txt").exists()


@pytest.mark.usefixtures("inputs")
def test_a_deleted_job_as_json_is_what_it_was(stack: Stack, tmp_path: Path) -> None:
    name = ended(stack, COPY, tmp_path)
    deleted = json.loads(stack.command("job", "delete", name, "--yes", "--json").stdout)["job"]
    assert (deleted["job_name"], deleted["status"]) == (name, "done")


def at_terminal(stack: Stack, arguments: tuple[str, ...], typed: bytes) -> tuple[int, str, str]:
    """Run a command whose stdin and stderr are a terminal: its exit code, stdout, what is seen."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*ARGV, *arguments],
        env=environment({"FALCONERI_STATE": str(stack.state)}),
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    ) as process:
        os.close(theirs)
        os.write(ours, typed)
        stdout, _ = process.communicate()
        seen = os.read(ours, 65536).decode()
    os.close(ours)
    return process.returncode, stdout, seen


@pytest.mark.usefixtures("inputs")
def test_nothing_is_deleted_unless_the_answer_is_yes(stack: Stack, tmp_path: Path) -> None:
    name = ended(stack, COPY, tmp_path)

    for typed in (b"n\n", b"\n", b"\x04"):  # no, nothing, the end of the input
        code, stdout, seen = at_terminal(stack, ("job", "delete", name), typed)

        assert (code, stdout) == (1, ""), typed
        assert f"Delete {name} (done)" in seen
        assert "falconeri: nothing was deleted" in seen

    assert name in stack.jobs()


@pytest.mark.usefixtures("inputs")
def test_a_job_is_deleted_when_the_answer_is_yes(stack: Stack, tmp_path: Path) -> None:
    name = ended(stack, COPY, tmp_path)

    assert at_terminal(stack, ("job", "delete", name), b"y\n")[:2] == (0, "deleted\n")

    assert name not in stack.jobs()


@pytest.mark.usefixtures("inputs")
def test_a_list_into_a_closed_pipe_ends_quietly(stack: Stack, tmp_path: Path) -> None:
    name = ended(stack, COPY, tmp_path)
    for command in ("datums", "outputs"):
        with subprocess.Popen(
            [*ARGV, "job", command, name],
            env=environment({"FALCONERI_STATE": str(stack.state)}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.close()
            assert process.stderr.read() == b""
