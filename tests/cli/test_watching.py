"""The commands that look at a running job, against a real stack."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from falconeri.client.retry import BRIEF
from falconeri.client.transport import Transport
from falconeri.client.work import WorkClient
from falconeri.wire.work import Heartbeat, Held
from falconeri_cli.connection import find
from tests.cli.command import ARGV, environment
from tests.cli.conftest import Stack
from tests.cli.specs import COPY, WAIT, write_inputs
from tests.cli.test_controls import at_terminal, objects, submit
from tests.processes import wait_until


@pytest.fixture
def inputs(tmp_path: Path) -> None:
    write_inputs(tmp_path, "a.txt", "b.txt")


def tell(stack: Stack, name: str, text: str) -> str:
    """Say that all programs of a job have printed this, before their workers do; one datum's id."""
    endpoint = find({"FALCONERI_STATE": str(stack.state)})
    client = endpoint.client()
    job_id = client.find_job(name).id
    calls = WorkClient(Transport(endpoint.url, endpoint.password, timeout_s=30.0, retries=BRIEF))
    workers = [worker for worker in client.iter_workers(job_id) if worker.holds]
    for worker in workers:
        held = [Held(hold.datum_id, hold.attempt, text) for hold in worker.holds]
        calls.heartbeat(job_id, Heartbeat(worker.pod_name, held))
    return str(workers[0].holds[0].datum_id)


@pytest.mark.usefixtures("inputs")
def test_workers_and_datums_show_what_programs_print(stack: Stack, tmp_path: Path) -> None:
    name = submit(stack, WAIT, tmp_path)
    wait_until((tmp_path / "began").exists)
    said = "opening\n1 % done\n"

    def shown(*command: str, end: str = "") -> str:
        """What a command prints once that is in it: a worker's own heartbeat may come between."""

        def look() -> str:
            tell(stack, name, said)
            text = stack.command(*command).stdout
            return text if end in text else ""

        return wait_until(look)

    datum_id = tell(stack, name, said)
    text = shown("job", "workers", name, end="\n  | opening\n  | 1 % done\n")
    assert text.startswith("STATE    LAST_HEARTBEAT_AT    POD_NAME  NODE_NAME\nworking  ")
    assert f"  {datum_id}  attempt 1, since " in text
    workers = objects(shown("job", "workers", name, "--json", end="1 % done"))
    tails = {hold["datum_id"]: hold["log_tail"] for each in workers for hold in each["holds"]}
    assert tails[datum_id] == said
    described = shown("datum", "describe", datum_id, end="Last Output:")
    assert described.endswith(f"\n\nLast Output:\n{said}")
    (tmp_path / "go").touch()


@pytest.mark.usefixtures("inputs")
def test_events_are_lines_until_the_job_has_ended(stack: Stack, tmp_path: Path) -> None:
    name = submit(stack, WAIT, tmp_path)
    wait_until((tmp_path / "began").exists)
    with subprocess.Popen(
        [*ARGV, "job", "events", name, "--json"],
        env=environment({"FALCONERI_STATE": str(stack.state)}),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        first, second = (json.loads(process.stdout.readline()) for _ in range(2))
        (tmp_path / "go").touch()
        rest = objects(process.stdout.read())

    assert process.returncode == 0
    assert (first["event"], first["status"], first["parallelism"]) == ("state", "running", 2)
    assert (second["event"], second["total"]) == ("progress", 2)
    assert (rest[-1]["event"], rest[-1]["status"]) == ("state", "done")

    progress, state = stack.command("job", "events", name).stdout.splitlines()
    assert progress.endswith("  2/2 done, 0 failed, 0 running")
    assert state.endswith("  done")


@pytest.mark.usefixtures("inputs")
def test_at_a_terminal_a_wait_shows_how_the_job_gets_on(stack: Stack, tmp_path: Path) -> None:
    name = submit(stack, COPY, tmp_path)

    code, stdout, seen = at_terminal(stack, ("job", "wait", name, "--json"), b"")

    assert code == 0
    assert (json.loads(stdout)["status"], "event" in json.loads(stdout)) == ("done", False)
    assert "2/2 done" in seen
