"""What a spec says of how its command is run, and what `err_cmd` makes of a failure."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from falconeri.states import FailureClass
from falconeri.wire.work import Claim, ProgramOptions
from falconeri_worker.program import Ran
from falconeri_worker.programs import open_program
from tests.worker.programs import datum, message, order, run, settings_in, tries


def sh(
    home: Path,
    script: str,
    options: ProgramOptions | None = None,
    *,
    claim: Claim | None = None,
    tries_left: int = 1,
) -> tuple[Ran, str]:
    """Run a script as a job's command; return how it ended and what it printed."""
    job = order(["sh", "-c", script], options)
    return run(open_program(job, settings_in(home), tries(tries_left)), claim)


def test_stdin_has_the_lines_of_the_spec(home: Path) -> None:
    options = ProgramOptions(stdin=["read x", "echo é | cat"])

    assert sh(home, "cat", options)[1] == "read x\necho é | cat\n"


def test_more_stdin_than_a_pipe_holds_blocks_nobody_who_does_not_read_it(home: Path) -> None:
    options = ProgramOptions(stdin=["x" * 1000] * 1000)

    assert sh(home, "wc -l; exit 0", options)[1].strip() == "1000"
    assert sh(home, "exit 0", options)[0].failure is None


@pytest.mark.parametrize(("wire", "local"), [("/pfs/in", "pfs/in"), ("/pfs", "pfs")])
def test_a_working_directory_below_pfs_is_where_the_inputs_are(
    home: Path, wire: str, local: str
) -> None:
    (home / "pfs/in").mkdir(parents=True)

    _, output = sh(home, "pwd -P", ProgramOptions(working_dir=wire))

    assert Path(output.strip()) == (home / local).resolve()


def test_a_working_directory_that_is_not_there_is_named(home: Path) -> None:
    ran, _ = sh(home, "true", ProgramOptions(working_dir=str(home / "no")))

    assert message(ran) == (
        f"could not begin in the working directory {home}/no: No such file or directory"
    )


@pytest.mark.parametrize(("code", "accepted"), [(0, True), (3, True), (4, False)])
def test_accepted_exit_codes_are_as_good_as_zero(home: Path, code: int, accepted: object) -> None:
    ran, _ = sh(home, f"exit {code}", ProgramOptions(accept_return_code=[3]))

    assert (ran.failure is None, ran.exit_code) == (accepted, code)


@pytest.mark.parametrize("ending", ["", "trap '' TERM;", "trap 'exit 0' TERM;"])
def test_a_command_that_takes_too_long_is_stopped_however_it_takes_it(
    home: Path, ending: str
) -> None:
    script = f"{ending} echo begun; while :; do sleep 0.1; done"

    ran, output = sh(home, script, ProgramOptions(datum_timeout_s=1, accept_return_code=[0]))

    assert ran.failure is not None
    assert ran.failure.failure_class is FailureClass.TIMEOUT
    assert message(ran).endswith("took too long (datum_timeout: 1 s)")
    assert output.splitlines()[0] == "begun"


def test_a_variable_named_like_the_repo_says_where_its_input_is(home: Path) -> None:
    claim = datum("/pfs/one/a b", "/pfs/dir/", "/pfs/many/a", "/pfs/many/b", "/pfs/PATH/x")
    names = ("one", "dir", "many")

    _, output = sh(home, "; ".join(f'echo "${name}"' for name in names), claim=claim)

    pfs = home / "pfs"
    assert output.splitlines() == [f"{pfs}/one/a b", f"{pfs}/dir", f"{pfs}/many"]


def test_err_cmd_recovers_a_datum_and_sees_what_went_wrong(home: Path) -> None:
    script = 'cat; echo "$FALCONERI_ERROR_CLASS: $FALCONERI_ERROR"'
    options = ProgramOptions(err_cmd=["sh", "-c", script], err_stdin=["skipped"])

    ran, output = sh(home, "echo tried; exit 3", options)

    assert (ran.recovered, ran.exit_code) == (True, 3)
    assert message(ran).endswith("failed: exit status 3")
    tried, skipped, error = output.splitlines()
    assert (tried, skipped) == ("tried", "skipped")
    assert error.startswith("command: command [")
    assert error.endswith("failed: exit status 3")


def test_err_cmd_recovers_from_a_timeout_and_from_a_command_that_is_not_there(home: Path) -> None:
    options = ProgramOptions(err_cmd=["true"], datum_timeout_s=1)
    missing = open_program(order(["no-such-program"], options), settings_in(home), tries(1))

    assert run(missing)[0].recovered
    assert sh(home, "sleep 600", options)[0].recovered


def test_an_err_cmd_that_fails_leaves_the_failure_as_it_was(home: Path) -> None:
    ran, _ = sh(home, "exit 3", ProgramOptions(err_cmd=["sh", "-c", "exit 4"]))

    assert (ran.recovered, ran.exit_code) == (False, 3)
    assert message(ran).endswith('; err_cmd: command ["sh", "-c", "exit 4"] failed: exit status 4')


def test_an_err_cmd_that_cannot_be_started_is_named(home: Path) -> None:
    ran, _ = sh(home, "exit 3", ProgramOptions(err_cmd=["no-such"]))

    assert message(ran).endswith('; err_cmd: could not run "no-such": No such file or directory')


@pytest.mark.parametrize(("script", "tries_left"), [("exit 0", 1), ("exit 3", 2)])
def test_err_cmd_is_not_run_after_a_success_nor_before_the_last_failure(
    home: Path, script: str, tries_left: int
) -> None:
    options = ProgramOptions(err_cmd=["echo", "err_cmd"])

    ran, output = sh(home, script, options, tries_left=tries_left)

    assert (ran.recovered, output) == (False, "")


def test_err_cmd_follows_a_resident_program_too(home: Path) -> None:
    script = """
    echo '{"ready": true}'
    while read -r line; do echo $$ >&2; echo '{"error": "no"}'; done
    """
    options = ProgramOptions(resident=True, err_cmd=["true"])
    program = open_program(order(["sh", "-c", script], options), settings_in(home), tries(1))

    logs = [run(program) for _ in range(2)]
    program.close()

    assert [ran.recovered for ran, _ in logs] == [True, True]
    assert logs[0][1] == logs[1][1]  # it lives on


_HARD = {
    "closes its pipes": "exec 0<&- 1>&- 2>&-; exit 3",
    "prints binary": "head -c 100000 /dev/urandom; exit 3",
    "forks and ignores SIGTERM": "trap '' TERM; (trap '' TERM; sleep 600) & exit 3",
    "starts a daemon": "(setsid sleep 600 >/dev/null 2>&1 &) ; exit 3",
}


@pytest.mark.parametrize("script", _HARD.values(), ids=_HARD)
def test_a_hard_command_ends_with_its_exit_code(home: Path, script: str) -> None:
    ran, output = sh(home, script)

    assert ran.exit_code == 3
    output.encode()  # fit for a database
    assert "\0" not in output


_FLAT = """
import os, resource, sys
from falconeri_worker.command import Command, run
from falconeri_worker.excerpt import Excerpt
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
argv = ["sh", "-c", "head -c 1000000000 /dev/zero"]
before, output = peak(), Excerpt()
run(Command(argv=argv, env=dict(os.environ)), stops=(), output=output)
print(peak() - before, len(output.text()), file=sys.stderr)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is in KiB there")
def test_a_gigabyte_of_output_takes_no_memory() -> None:
    told = subprocess.run([sys.executable, "-c", _FLAT], check=True, capture_output=True, text=True)

    grown_kib, kept = map(int, told.stderr.split())
    assert grown_kib < 20_000
    assert kept < 200_000
