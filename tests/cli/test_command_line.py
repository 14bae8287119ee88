import subprocess
import sys
from pathlib import Path

import pytest

from falconeri import __version__
from tests.cli.command import falconeri_command
from tests.cli.specs import spec_with, write_spec

HEAVY = ("urllib3", "rich", "psycopg", "falconeri.db", "falconeri.client", "falconeri.local")


def test_version_is_printed() -> None:
    assert falconeri_command("--version").stdout == f"falconeri {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        *[(group,) for group in ("job", "datum", "db", "local")],
        *[("job", name) for name in ("run", "list", "describe", "datums", "outputs", "wait")],
        *[("job", name) for name in ("pause", "resume", "scale", "retry", "cancel", "delete")],
        *[("local", name) for name in ("run", "up", "status", "down")],
        *[("db", "url"), ("db", "console"), ("datum", "describe"), ("datum", "attempts")],
        *[("migrate",), ("schema",)],
    ],
)
def test_every_command_explains_itself(arguments: tuple[str, ...]) -> None:
    answer = falconeri_command(*arguments, "--help")
    assert answer.returncode == 0
    assert answer.stdout.startswith(f"Usage: {' '.join(('falconeri', *arguments))} ")
    assert answer.stderr == ""


def test_help_tells_the_exit_codes() -> None:
    assert "Exit codes: 0 all is well; 1 " in falconeri_command("--help").stdout


def test_no_command_at_all_is_answered_by_the_help() -> None:
    answer = falconeri_command()
    assert answer.returncode == 2
    assert answer.stderr.startswith("Usage: falconeri ")


def test_help_loads_nothing_that_takes_time() -> None:
    program = f"""
import sys
from falconeri_cli.main import main
main(["--help"])
print(sorted(set({HEAVY}) & set(sys.modules)), file=sys.stderr)
"""
    answer = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert answer.stderr == "[]\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("jbo",), "No such command 'jbo'"),
        (("job", "run"), "Missing argument 'SPEC' (`falconeri job run --help` explains)"),
        (("job", "list", "--nosuch"), "No such option: --nosuch"),
        (("job", "list", "--status", "ready"), "Invalid value for '--status'"),
        (("job", "list", "--limit", "0"), "Invalid value for '--limit'"),
        (("job", "datums", "x", "--status", "failed"), "Invalid value for '--status'"),
        (("job", "scale", "x"), "Missing argument 'N'"),
        (("job", "scale", "x", "many"), "Invalid value for 'N'"),
        (("job", "retry", "x", "--tries", "0"), "Invalid value for '--tries'"),
        (("job", "delete", "x"), "there is no terminal to ask at (`--yes`"),
        (("datum", "describe", "7"), "Invalid value for 'ID'"),
        (("local", "up", "--port", "0"), "Invalid value for '--port'"),
        (("job", "run", "/nosuch/spec.json"), "/nosuch/spec.json: No such file or directory"),
    ],
)
def test_wrong_usage_is_one_line_and_2(arguments: tuple[str, ...], said: str) -> None:
    answer = falconeri_command(*arguments)
    assert answer.returncode == 2
    assert answer.stdout == ""
    assert answer.stderr.startswith("falconeri: ")
    assert said in answer.stderr
    assert answer.stderr.count("\n") == 1


def test_spec_is_checked_before_anybody_is_asked(tmp_path: Path) -> None:
    path = write_spec(tmp_path, spec_with(datum_tries="three"))
    answer = falconeri_command("job", "run", path, FALCONERI_STATE=str(tmp_path / "state"))
    assert answer.returncode == 2
    assert answer.stderr == (
        f"falconeri: invalid pipeline spec: {path}: datum_tries: Expected `int | null`, got `str`\n"
    )


def test_spec_is_read_from_stdin(tmp_path: Path) -> None:
    answer = falconeri_command(
        "job", "run", "-", stdin="{]", FALCONERI_STATE=str(tmp_path / "state")
    )
    assert answer.returncode == 2
    assert "stdin" in answer.stderr


def test_without_falconerid_the_line_says_both_ways_to_one(tmp_path: Path) -> None:
    answer = falconeri_command("job", "list", FALCONERI_STATE=str(tmp_path))
    assert answer.returncode == 1
    assert answer.stderr == (
        "falconeri: no falconerid to talk to "
        "(`falconeri local up` starts one; or set FALCONERI_URL and FALCONERI_PASSWORD)\n"
    )


def test_an_unreachable_falconerid_is_named_in_one_line(tmp_path: Path) -> None:
    url = "http://127.0.0.1:1/"
    answer = falconeri_command(
        "job", "run", write_spec(tmp_path), FALCONERI_URL=url, FALCONERI_PASSWORD="hidden"
    )
    assert answer.returncode == 1
    assert url in answer.stderr
    assert "hidden" not in answer.stderr
    assert answer.stderr.count("\n") == 1


def test_debug_adds_the_trace(tmp_path: Path) -> None:
    answer = falconeri_command("job", "list", FALCONERI_STATE=str(tmp_path), FALCONERI_LOG="debug")
    assert "Traceback" in answer.stderr
    assert answer.stderr.splitlines()[-1].startswith("falconeri: no falconerid")


def test_database_url_is_that_of_the_environment() -> None:
    url = "postgresql://u:p@db.example/x"
    assert falconeri_command("db", "url", FALCONERI_DATABASE_URL=url).stdout == f"{url}\n"


def test_console_gives_psql_the_password_but_not_as_an_argument(tmp_path: Path) -> None:
    psql = tmp_path / "psql"
    psql.write_text('#!/bin/sh\necho "arguments: $*"\necho "password: $PGPASSWORD"\n')
    psql.chmod(0o755)
    answer = falconeri_command(
        "db",
        "console",
        PATH=f"{tmp_path}:/bin:/usr/bin",
        FALCONERI_DATABASE_URL="postgresql://me:s%20cret@db.example:5433/jobs?sslmode=disable",
    )
    arguments, password = answer.stdout.splitlines()
    assert "s cret" not in arguments
    assert "s%20cret" not in arguments
    assert password == "password: s cret"
    for part in ("user=me", "host=db.example", "port=5433", "dbname=jobs", "sslmode=disable"):
        assert part in arguments


@pytest.mark.parametrize("level", ["info", "debug"])
def test_a_failing_console_never_shows_the_password(level: str) -> None:
    answer = falconeri_command(
        "db",
        "console",
        FALCONERI_LOG=level,
        FALCONERI_DATABASE_URL="postgresql://me:s3cret@[broken/jobs",
    )
    assert answer.returncode == 2
    assert "s3cret" not in answer.stdout + answer.stderr


def test_a_closed_pipe_ends_quietly() -> None:
    argv = f"{sys.executable} -m falconeri_cli schema | true"
    answer = subprocess.run(["/bin/sh", "-c", argv], check=False, capture_output=True, text=True)
    assert "Traceback" not in answer.stderr
