"""Parts are killed in the middle of a job; the job ends as if nothing had happened."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from falconeri.errors import SecretNotFound, Unavailable
from falconeri.states import JobStatus
from falconeri.wire.records import Job, Progress
from tests import processes
from tests.acceptance.conftest import Stack
from tests.processes import wait_until

WAIT_FOR_GO = """
name=$(basename "$FALCONERI_PFS"/in/*)
echo "$FALCONERI_ATTEMPT" >> "$1/started.$name"
until [ -e "$1/go" ]; do sleep 0.05; done
cp "$FALCONERI_PFS"/in/* "$FALCONERI_PFS"/out/
"""


def await_file(path: Path) -> None:
    wait_until(path.exists)


def go(stack: Stack) -> None:
    (stack.directory / "go").touch()


def check_done(stack: Stack, job: Job, datums: int) -> Progress:
    progress = stack.wait(job)
    assert (progress.status, progress.done) == (JobStatus.DONE, datums)
    assert stack.outputs() == {f"{n}.txt": f"{n}\n" for n in range(datums)}
    return progress


def test_datum_of_a_killed_worker_is_run_again(stack: Stack) -> None:
    job = stack.submit(WAIT_FOR_GO)
    await_file(stack.directory / "started.0.txt")

    processes.kill(stack.state, f"falconeri_worker {job.id}")
    wait_until(lambda: stack.client.job_progress(job.id).failed_attempts)
    go(stack)

    assert check_done(stack, job, 1).failed_attempts == 1
    assert (stack.directory / "started.0.txt").read_text() == "1\n2\n"
    wait_until(lambda: not processes.find(stack.state, f"falconeri_worker {job.id}"))


def test_killed_tasks_process_comes_back_and_so_do_its_workers(stack: Stack) -> None:
    job = stack.submit(WAIT_FOR_GO, datums=3)
    await_file(stack.directory / "started.0.txt")

    killed = processes.kill(stack.state, "falconeri.daemon tasks")
    wait_until(lambda: processes.find(stack.state, "falconeri.daemon tasks") - killed)
    go(stack)

    check_done(stack, job, 3)


def test_killed_server_comes_back_and_the_datum_in_work_is_not_run_again(stack: Stack) -> None:
    job = stack.submit(WAIT_FOR_GO)
    await_file(stack.directory / "started.0.txt")

    processes.kill(stack.state, "falconeri.daemon serve")
    go(stack)

    assert check_done(stack, job, 1).failed_attempts == 0


def test_killed_postgres_comes_back_and_costs_no_attempt_and_no_worker(stack: Stack) -> None:
    job = stack.submit(WAIT_FOR_GO, datums=2)
    for number in range(2):
        await_file(stack.directory / f"started.{number}.txt")
    tasks = processes.find(stack.state, "falconeri.daemon tasks")
    workers = processes.find(stack.state, f"falconeri_worker {job.id}")

    pid_file = stack.state / "postgres" / "pgdata" / "postmaster.pid"
    os.kill(killed := _first_number(pid_file), signal.SIGKILL)
    wait_until(lambda: _first_number(pid_file) not in {killed, 0})
    wait_until(lambda: _answers(stack))
    after = stack.submit("true")

    assert stack.wait(after).status is JobStatus.DONE
    assert processes.find(stack.state, "falconeri.daemon tasks") == tasks
    assert workers <= processes.find(stack.state, f"falconeri_worker {job.id}")
    go(stack)
    assert check_done(stack, job, 2).failed_attempts == 0
    assert (stack.directory / "started.0.txt").read_text() == "1\n"


def _answers(stack: Stack) -> bool:
    try:
        stack.client.list_jobs()
    except Unavailable:
        return False
    return True


def _first_number(file: Path) -> int:
    """The number in a file's first line; 0 while there is none."""
    try:
        return int(file.read_text().split()[0])
    except (FileNotFoundError, IndexError):
        return 0


def test_canceled_job_stops_its_commands(stack: Stack) -> None:
    job = stack.submit(WAIT_FOR_GO, datums=5)
    await_file(stack.directory / "started.0.txt")

    stack.client.cancel_job(job.id)

    wait_until(lambda: not processes.find(stack.state, f"falconeri_worker {job.id}"))
    processes.wait_until_nothing_is_left(stack.directory)
    progress = stack.client.job_progress(job.id)
    assert (progress.status, progress.canceled) == (JobStatus.CANCELED, 5)
    assert stack.outputs() == {}


def test_job_over_its_time_ends_as_error_and_says_so(stack: Stack) -> None:
    job = stack.submit(WAIT_FOR_GO, job_timeout="1s")

    progress = stack.wait(job)

    assert (progress.status, progress.canceled) == (JobStatus.ERROR, 1)
    reason = stack.client.get_job(job.id).error_message
    assert reason == "the job's job_timeout of 1 s is over"


def test_job_whose_workers_cannot_start_ends_and_says_why(stack: Stack) -> None:
    transform = {"cmd": ["true"], "image": "file:///nowhere"}
    job = stack.submit("", transform=transform)

    assert stack.wait(job).status is JobStatus.ERROR
    assert "file:///nowhere" in (stack.client.get_job(job.id).error_message or "")


def test_job_whose_secret_is_missing_is_not_made(stack: Stack) -> None:
    secret = {"name": "nobody-made-it", "key": "K", "env_var": "V"}
    transform = {"cmd": ["true"], "image": "none", "secrets": [secret]}
    before = stack.client.list_jobs()

    with pytest.raises(SecretNotFound, match="nobody-made-it"):
        stack.submit("", transform=transform)

    assert stack.client.list_jobs() == before
