"""Resident programs are real processes here."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from falconeri.errors import ClaimLost
from falconeri.states import FailureClass
from falconeri.wire.work import ProgramOptions
from falconeri_worker.resident import Resident
from falconeri_worker.stopping import Stop
from tests.worker.programs import datum, message, order, python, run, settings_in

LOOP = """
import json, os, sys, time
print(json.dumps({"ready": True}))
for number, line in enumerate(sys.stdin):
    start = json.loads(line)["start"]
    {act}
    print(json.dumps({"done": True}))
"""

Make = Callable[..., Resident]


def loop(*acts: str) -> list[str]:
    """A program that does this between the start of each datum and its end."""
    return python(LOOP.replace("{act}", "\n    ".join(acts)))


@pytest.fixture
def make(home: Path) -> Generator[Make]:
    made: list[Resident] = []

    def make(
        command: list[str], options: ProgramOptions | None = None, start_limit_s: float = 60
    ) -> Resident:
        made.append(Resident(order(command, options), settings_in(home), start_limit_s))
        return made[-1]

    yield make
    for program in made:
        program.close()


def test_one_process_does_all_datums_and_its_stderr_is_the_log_of_each(make: Make) -> None:
    program = make(loop("print(os.getpid(), start['inputs'][0]['uri'], file=sys.stderr)"))

    logs = [run(program, datum(f"/pfs/in/{name}")) for name in "ab"]

    assert [ran.failure for ran, _ in logs] == [None, None]
    pids, uris = zip(*(log.split() for _, log in logs), strict=True)
    assert len(set(pids)) == 1
    assert uris == ("s3://in/pfs/in/a", "s3://in/pfs/in/b")


def test_the_program_is_told_where_the_inputs_are(make: Make, home: Path) -> None:
    program = make(loop("print(start, file=sys.stderr)"))
    claim = datum("/pfs/in/a b", attempt=3)

    _, log = run(program, claim)

    assert eval(log) == {  # noqa: S307 - of our own program
        "datum_id": str(claim.datum_id),
        "attempt": 3,
        "inputs": [{"path": str(home / "pfs/in/a b"), "uri": "s3://in/pfs/in/a b"}],
    }


def test_a_datum_of_very_many_inputs_is_told_whole(make: Make) -> None:
    program = make(loop("print(len(start['inputs']), file=sys.stderr)"))

    _, log = run(program, datum(*(f"/pfs/in/{number}" for number in range(10_000))))

    assert log == "10000\n"


def test_an_error_fails_the_datum_and_the_program_goes_on(make: Make) -> None:
    program = make(loop("if number == 0: print(json.dumps({'error': 'no such word'})); continue"))

    first, _ = run(program)
    second, _ = run(program)

    assert first.failure is not None
    assert first.failure.failure_class is FailureClass.COMMAND
    assert message(first).endswith("failed: no such word")
    assert (first.exit_code, second.failure) == (None, None)


@pytest.mark.parametrize(
    ("act", "how", "exit_code", "signal"),
    [
        ("if number == 1: sys.exit(3)", "exit status 3", 3, None),
        ("if number == 1: sys.exit(0)", "exit status 0", 0, None),
        ("if number == 1: os.kill(os.getpid(), 9)", "signal 9 (SIGKILL)", None, 9),
    ],
)
def test_a_crash_fails_only_its_datum(
    make: Make, act: str, how: str, exit_code: int | None, signal: int | None
) -> None:
    program = make(loop("print(os.getpid(), file=sys.stderr)", act))

    before, first_log = run(program)
    crashed, log = run(program)
    after, last_log = run(program)

    assert (before.failure, after.failure) == (None, None)
    assert message(crashed).endswith(f"ended before the datum was done: {how}")
    assert (crashed.exit_code, crashed.signal) == (exit_code, signal)
    assert log == first_log != last_log


def test_a_program_that_ends_after_its_answer_has_done_its_datum(make: Make) -> None:
    program = make(loop("print(json.dumps({'done': True}))", "sys.exit(1)"))

    assert [run(program)[0].failure for _ in range(3)] == [None] * 3


@pytest.mark.parametrize(
    ("script", "how"),
    [
        ("print('Loading')", "said 'Loading' instead of {\"ready\": true}"),
        ("print('{\"done\": true}')", 'instead of {"ready": true}'),
        ("print('x' * 100_000)", "said a line of more than 64 KiB"),
        ("os.close(1); input()", "closed its stdout before the datum was done"),
        ("sys.exit(4)", "ended before it was ready: exit status 4"),
    ],
)
def test_a_program_that_does_not_know_the_protocol_is_told_so(
    make: Make, script: str, how: str
) -> None:
    ran, _ = run(make(python(f"import os, sys\n{script}\nsys.stdin.read()")))

    assert how in message(ran)


@pytest.mark.parametrize(
    "answer", ["'fine'", "'{\"done\": false}'", "'{\"don\": true}'", "'\\xff'"]
)
def test_an_answer_that_is_none_fails_the_datum(make: Make, answer: str) -> None:
    program = make(loop(f"print({answer}) if number == 0 else None"))

    ran, _ = run(program)

    assert 'instead of {"done": true} or {"error": "…"}' in message(ran)
    assert run(program)[0].failure is not None  # a new process: its first datum, too


def test_a_program_that_answers_twice_is_replaced_before_the_next_datum(make: Make) -> None:
    # Both at once: what comes later could be taken for the next datum's.
    twice = """print(os.getpid(), file=sys.stderr); answer = json.dumps({'done': True}) + chr(10)"""
    program = make(loop(twice, "sys.stdout.write(2 * answer); sys.stdout.flush(); continue"))

    logs = [run(program) for _ in range(2)]

    assert [ran.failure for ran, _ in logs] == [None, None]
    assert logs[0][1] != logs[1][1]


def test_a_datum_that_takes_too_long_costs_the_program(make: Make) -> None:
    slow = "print(os.getpid(), file=sys.stderr); time.sleep(600 if start['attempt'] == 1 else 0)"
    program = make(loop(slow), ProgramOptions(datum_timeout_s=1))

    ran, log = run(program)
    again, last_log = run(program, datum(attempt=2))

    assert ran.failure is not None
    assert ran.failure.failure_class is FailureClass.TIMEOUT
    assert message(ran).endswith("took too long (datum_timeout: 1 s)")
    assert again.failure is None
    assert log != last_log


def test_the_time_until_it_is_ready_is_limited_apart(make: Make) -> None:
    ran, _ = run(make(python("import time; time.sleep(600)"), start_limit_s=0.2))

    assert ran.failure is not None
    assert ran.failure.failure_class is FailureClass.TIMEOUT
    assert "was not ready within" in message(ran)


def test_a_lost_claim_ends_even_a_program_that_ignores_it(make: Make, home: Path) -> None:
    ready = home / "ready"
    os.mkfifo(ready)
    program = make(
        loop(
            "import signal; signal.signal(15, signal.SIG_IGN); "
            f"start['attempt'] == 1 and (open({str(ready)!r}, 'w').close(), time.sleep(600))"
        )
    )

    with wished_when_opened(ready) as stop, pytest.raises(ClaimLost):
        run(program, None, stop)

    assert run(program, datum(attempt=2))[0].failure is None


@contextmanager
def wished_when_opened(path: Path) -> Generator[Stop]:
    stop = Stop()

    def wait() -> None:
        path.open().close()
        stop.request(ClaimLost())

    thread = threading.Thread(target=wait)
    thread.start()
    yield stop
    thread.join()
    stop.close()


def test_a_program_that_cannot_be_started_is_named(make: Make) -> None:
    ran, _ = run(make(["no-such-program"]))

    assert message(ran) == 'could not run "no-such-program": No such file or directory'


def test_time_is_measured_for_each_datum_apart(make: Make) -> None:
    program = make(loop("number == 0 and sum(range(5_000_000))"))

    first, second = run(program)[0], run(program)[0]

    assert first.cpu_s is not None
    assert second.cpu_s is not None
    assert first.cpu_s > 2 * second.cpu_s
    assert first.peak_memory_bytes


def test_it_may_be_used_from_one_thread_after_the_other(make: Make) -> None:
    program = make(loop("print(os.getpid(), file=sys.stderr)"))
    logs: list[str] = []

    for _ in range(2):
        thread = threading.Thread(target=lambda: logs.append(run(program)[1]))
        thread.start()
        thread.join()

    assert logs[0] == logs[1] != ""


def test_at_the_end_it_may_clean_up(home: Path) -> None:
    ended = home / "ended"
    script = LOOP.replace("{act}", "pass") + f"\nopen({str(ended)!r}, 'w').close()"
    program = Resident(order(python(script)), settings_in(home))
    run(program)

    program.close()

    assert ended.exists()


def test_nothing_is_left_open(home: Path) -> None:
    before = len(list(Path("/dev/fd").iterdir()))
    program = Resident(order(loop("pass")), settings_in(home))
    run(program)
    program.close()

    assert len(list(Path("/dev/fd").iterdir())) == before
