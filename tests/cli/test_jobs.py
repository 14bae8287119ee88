"""The commands about jobs, against a real stack."""

import json
import signal
import subprocess
import urllib.request
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import ARGV, environment
from tests.cli.conftest import Stack
from tests.cli.specs import COPY, WAIT, shell, write_inputs
from tests.processes import has_connections, wait_until

NAMES = ("a.txt", "b.txt", "c.txt")

FAIL_ON_B = """
echo trying
if [ -e "${FALCONERI_PFS:-/pfs}"/in/b.txt ] && [ ! -e "$FOLDER/mended" ]; then
  echo oh no
  exit 3
fi
echo x >>"$FOLDER/ran"
"""


@pytest.fixture
def inputs(tmp_path: Path) -> None:
    write_inputs(tmp_path, *NAMES)


@pytest.mark.usefixtures("inputs")
def test_a_job_from_its_spec_to_its_outputs(stack: Stack, tmp_path: Path) -> None:
    ran = stack.command("job", "run", "-", stdin=shell(COPY, tmp_path))
    assert ran.returncode == 0
    name = ran.stdout.strip()
    assert name.startswith("test-")

    waited = stack.command("job", "wait", name)
    assert (waited.returncode, waited.stdout, waited.stderr) == (0, "done\n", "")
    for file in NAMES:
        assert (tmp_path / "out" / file).read_text() == f"content of {file}\n"

    assert stack.command("job", "list").stdout.splitlines()[1].split()[0] == name
    described = stack.command("job", "describe", name).stdout
    assert "Status: done\n" in described
    assert "  done: 3\n" in described


@pytest.mark.usefixtures("inputs")
def test_a_plan_makes_no_job(stack: Stack, tmp_path: Path) -> None:
    before = stack.jobs()

    planned = stack.command("job", "plan", "-", stdin=shell(COPY, tmp_path))
    as_json = stack.command("job", "plan", "-", "--json", stdin=shell(COPY, tmp_path))
    wrong = stack.command("job", "plan", "-", stdin=shell(COPY, tmp_path, egress={"URI": "no"}))

    assert planned.returncode == 0, planned.stderr
    assert "Datums: 3 (" in planned.stdout
    assert f"  1  /pfs/in/a.txt  from  file://{tmp_path}/in/a.txt\n" in planned.stdout
    assert json.loads(as_json.stdout)["plan"]["datums"] == 3
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert stack.jobs() == before


@pytest.mark.usefixtures("inputs")
def test_json_is_the_apis(stack: Stack, tmp_path: Path) -> None:
    ran = stack.command("job", "run", "-", "--json", stdin=shell(COPY, tmp_path))
    job = json.loads(ran.stdout)["job"]
    waited = json.loads(stack.command("job", "wait", job["id"], "--json").stdout)
    assert (waited["status"], waited["done"]) == ("done", 3)
    described = json.loads(stack.command("job", "describe", job["id"], "--json").stdout)
    assert described["job"]["job_name"] == job["job_name"]
    listed = json.loads(stack.command("job", "list", "--json").stdout)
    assert job["id"] in [each["id"] for each in listed["jobs"]]


@pytest.mark.usefixtures("inputs")
def test_a_failing_datum_is_named_and_a_retry_runs_only_what_failed(
    stack: Stack, tmp_path: Path
) -> None:
    ran = stack.command(
        "job", "run", "-", "--wait", stdin=shell(FAIL_ON_B, tmp_path, datum_tries=2)
    )
    name, status = ran.stdout.split()
    assert (ran.returncode, status) == (1, "error")
    assert ran.stderr == (
        f"falconeri: {name}: 1 datums failed (`falconeri job describe {name}` tells more)\n"
    )

    described = stack.command("job", "describe", name)
    assert "  done: 2\n  error: 1\n" in described.stdout
    assert "exit status 3\n  | trying\n  | oh no\n" in described.stdout
    error_lines = described.stdout.partition("ERROR_MESSAGE\n")[2]
    datum = stack.command("datum", "describe", error_lines.split()[0]).stdout
    assert "Tries: 2/2\n" in datum
    assert f"  file://{tmp_path}/in/b.txt\n" in datum
    assert "Output:\ntrying\noh no\n" in datum

    (tmp_path / "mended").touch()
    again = stack.command("job", "retry", name).stdout.strip()
    assert again != name
    assert stack.command("job", "wait", again).stdout == "done\n"
    assert (tmp_path / "ran").read_text() == "x\n" * 3
    assert stack.command("job", "retry", again).returncode == 1


@pytest.mark.usefixtures("inputs")
def test_a_canceled_job_ends_and_is_not_done(stack: Stack, tmp_path: Path) -> None:
    name = stack.command("job", "run", "-", stdin=shell(WAIT, tmp_path)).stdout.strip()
    wait_until((tmp_path / "began").exists)
    assert "Running datums:\n" in stack.command("job", "describe", name).stdout
    assert stack.command("job", "cancel", name).stdout == "canceled\n"
    waited = stack.command("job", "wait", name)
    assert (waited.returncode, waited.stdout) == (1, "canceled\n")


@pytest.mark.usefixtures("inputs")
def test_whoever_stops_waiting_does_not_stop_the_job(stack: Stack, tmp_path: Path) -> None:
    name = stack.command("job", "run", "-", stdin=shell(WAIT, tmp_path)).stdout.strip()
    wait_until((tmp_path / "began").exists)
    with subprocess.Popen(
        [*ARGV, "job", "wait", name],
        env=environment({"FALCONERI_STATE": str(stack.state)}),
        stderr=subprocess.PIPE,
        text=True,
    ) as waiting:
        wait_until(lambda: has_connections(waiting.pid))
        waiting.send_signal(signal.SIGINT)
        _, err = waiting.communicate()
    assert waiting.returncode == 130
    assert err == f"falconeri: no longer waiting; {name} goes on\n"
    (tmp_path / "go").touch()
    assert stack.command("job", "wait", name).stdout == "done\n"


def test_curl_can_do_the_same(stack: Stack) -> None:
    up = json.loads((stack.state / "stack.json").read_text())
    password = (stack.state / "password").read_text()
    login = b64encode(f"falconeri:{password}".encode()).decode()
    request = urllib.request.Request(  # noqa: S310  (http)
        f"{up['url']}jobs/list", headers={"Authorization": f"Basic {login}"}
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310  (http)
        assert "jobs" in json.load(answer)


def test_console_reaches_the_database(stack: Stack) -> None:
    answer = stack.command("db", "console", stdin="select 6 * 7 as answer")
    assert answer.returncode == 0
    assert " 42\n" in answer.stdout


def test_migrating_a_migrated_database_changes_nothing(stack: Stack) -> None:
    answer = stack.command("migrate")
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")


@pytest.mark.parametrize(
    "arguments",
    [
        ("job", "describe", "nosuch"),
        ("job", "wait", "nosuch"),
        ("job", "retry", "00000000-0000-0000-0000-000000000001"),
        ("job", "cancel", "00000000-0000-0000-0000-000000000001"),
        ("job", "pause", "nosuch"),
        ("job", "delete", "--yes", "nosuch"),
        ("job", "datums", "nosuch"),
        ("job", "outputs", "00000000-0000-0000-0000-000000000001"),
        ("datum", "attempts", "00000000-0000-0000-0000-000000000001"),
        ("datum", "describe", "00000000-0000-0000-0000-000000000001"),
    ],
)
def test_what_does_not_exist_is_one_line_and_1(stack: Stack, arguments: tuple[str, ...]) -> None:
    answer = stack.command(*arguments)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "not found" in answer.stderr
    assert arguments[-1] in answer.stderr
    assert answer.stderr.count("\n") == 1


ATOM = {"URI": "file:///nosuch/", "repo": "in", "glob": "/*"}


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"surplus": 1}, "surplus"),
        ({"pipeline": {"name": "has space"}}, "pipeline.name"),
        ({"job_timeout": "5 parsecs"}, "parsecs"),
        ({"input": {"atom": ATOM | {"glob": "*"}}}, "input.atom.glob"),
        ({"input": {"atom": ATOM | {"repo": "out"}}}, "repo"),
        ({"input": {}}, "exactly one"),
        ({"input": {"atom": ATOM}}, "file:///nosuch/"),
        ({"input": {"atom": ATOM | {"URI": "ftp://host/"}}}, "ftp://host/"),
        ({"egress": {"URI": "nowhere"}}, "nowhere"),
    ],
)
@pytest.mark.usefixtures("inputs")
def test_a_wrong_spec_is_one_line_and_2_and_leaves_no_job(
    stack: Stack, tmp_path: Path, parts: dict[str, Any], said: str
) -> None:
    before = stack.jobs()
    answer = stack.command("job", "run", "-", stdin=shell(COPY, tmp_path, **parts))
    assert_one_line_and_2(answer, said)
    assert stack.jobs() == before


@pytest.mark.parametrize(
    ("parts", "said"), [({"surplus": 1}, "surplus"), ({"input": {"atom": ATOM}}, "file:///nosuch/")]
)
@pytest.mark.usefixtures("inputs")
def test_a_wrong_spec_is_said_in_the_same_way_by_a_local_run(
    stack: Stack, tmp_path: Path, parts: dict[str, Any], said: str
) -> None:
    """One is refused here, the other by falconerid."""
    before = stack.jobs()
    answer = stack.command("local", "run", "-", stdin=shell(COPY, tmp_path, **parts))
    assert_one_line_and_2(answer, said)
    assert stack.jobs() == before


def assert_one_line_and_2(answer: subprocess.CompletedProcess[str], said: str) -> None:
    assert answer.returncode == 2
    assert answer.stdout == ""
    assert answer.stderr.startswith("falconeri: ")
    assert said in answer.stderr
    assert answer.stderr.count("\n") == 1
