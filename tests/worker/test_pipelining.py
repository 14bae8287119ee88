"""The lanes of a worker: others fetch and store while the command of one runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from falconeri.states import AttemptOutcome, FailureClass
from falconeri.wire.work import ProgramOptions
from tests.client.server import Reply
from tests.worker.conftest import Bucket
from tests.worker.falconerid import Falconerid, falconerid
from tests.worker.process import Worker, working

# Each of the commands below knows the worker's home as $0.
COPY = 'cp "$FALCONERI_PFS"/texts/* "$FALCONERI_PFS/out/"'
HELPERS = """
await() { until [ -e "$1" ]; do sleep 0.02; done; }
await_ahead() { until ls "$0"/lane-*/texts/* >"$0/ls" 2>&1; do sleep 0.02; done; }
is_first() { mkdir "$0/first" 2>"$0/mkdir"; }
"""


@contextmanager
def job(
    source: Bucket,
    egress: Bucket,
    home: Path,
    command: str,
    *names: str,
    pipelining: bool = True,
    resident: bool = False,
) -> Generator[Falconerid]:
    argv = ("sh", "-euc", f"{HELPERS}{command}", str(home))
    program = ProgramOptions(resident=resident)
    with falconerid(argv, egress.uri, pipelining=pipelining, lease_s=2, program=program) as server:
        for name in names:
            server.add((source.put(name, name), f"/pfs/texts/{name}"))
        yield server


@contextmanager
def pipelining(home: Path, server: Falconerid, **env: str) -> Generator[Worker]:
    with working(home, server, FALCONERI_SPACE=str(home), **env) as worker:
        yield worker


def outcomes(server: Falconerid) -> list[list[AttemptOutcome]]:
    return [[report.outcome for report in datum.reports] for datum in server.datums]


def test_inputs_of_the_next_datum_come_while_the_command_runs_which_sees_none_of_them(
    source: Bucket, egress: Bucket, home: Path
) -> None:
    command = f"""
        if is_first; then await_ahead; fi
        (cd "$FALCONERI_PFS"; find . | sort | tr '\\n' ' '; ls -A "$FALCONERI_SCRATCH"); {COPY}
        touch "$FALCONERI_SCRATCH/left" "$FALCONERI_PFS/left"
    """
    with job(source, egress, home, command, "a", "b") as server, pipelining(home, server) as worker:
        assert worker.wait() == 0, worker.stderr

    assert outcomes(server) == [[AttemptOutcome.DONE]] * 2
    assert [datum.reports[0].output for datum in server.datums] == [
        ". ./out ./texts ./texts/a ",
        ". ./out ./texts ./texts/b ",
    ]
    assert egress.content() == {"a": "a", "b": "b"}
    assert [list(folder.iterdir()) for folder in (worker.pfs, worker.scratch)] == [[], []]
    assert [list(lane.iterdir()) for lane in home.glob("lane-*")] == [[]] * 3


def test_a_resident_program_finds_what_was_fetched_while_it_worked_on_the_datum_before(
    source: Bucket, egress: Bucket, home: Path
) -> None:
    command = f"""
        echo '{{"ready": true}}'
        while read -r _; do
            if is_first; then await_ahead; fi
            echo "$$ $(cd "$FALCONERI_PFS"; find . | sort | tr '\n' ' ')" >&2; {COPY}
            echo '{{"done": true}}'
        done
    """
    with (
        job(source, egress, home, command, "a", "b", "c", resident=True) as server,
        pipelining(home, server) as worker,
    ):
        assert worker.wait() == 0, worker.stderr

    assert outcomes(server) == [[AttemptOutcome.DONE]] * 3
    logs = [(datum.reports[0].output or "").strip().partition(" ") for datum in server.datums]
    assert len({pid for pid, _, _ in logs}) == 1
    assert [found for _, _, found in logs] == [f". ./out ./texts ./texts/{name}" for name in "abc"]
    assert egress.content() == {name: name for name in "abc"}


def test_outputs_are_stored_while_the_next_command_runs(
    source: Bucket, egress: Bucket, home: Path
) -> None:
    command = f"""
        if ! is_first; then until ls "{egress.path}"/*; do sleep 0.02; done; fi
        {COPY}
    """
    with job(source, egress, home, command, "a", "b") as server:
        # The answer to this ends the first datum; until it comes, its lane is not free.
        server.failing.append(("complete", Reply(503, b"")))
        with pipelining(home, server) as worker:
            assert worker.wait() == 0, worker.stderr

    assert egress.content() == {"a": "a", "b": "b"}


def test_commands_run_one_at_a_time_and_each_datum_costs_one_call_at_the_most_more(
    source: Bucket, egress: Bucket, home: Path
) -> None:
    names = [f"{number:02}" for number in range(20)]
    command = f'mkdir "$0/running"; {COPY}; rmdir "$0/running"'
    with job(source, egress, home, command, *names) as server, pipelining(home, server) as worker:
        assert worker.wait() == 0, worker.stderr

    assert outcomes(server) == [[AttemptOutcome.DONE]] * 20
    assert egress.content() == {name: name for name in names}
    calls = Counter(call.rpartition("/")[2] for call in server.calls)
    assert (calls["complete"], calls["output_files"]) == (20, 40)
    assert len({claim.slot for claim in server.claims}) > 1
    assert sum(completion.ahead for completion in server.completions) > 0


def test_who_has_nothing_asks_ahead_only_while_the_other_has_a_command_to_end(
    source: Bucket, egress: Bucket, home: Path
) -> None:
    with job(source, egress, home, f'await "$0/go"; {COPY}', "a") as server:
        server.ends_when_all_have_reports = False
        with pipelining(home, server) as worker:
            server.wait_until_called("/claim", times=2)
            (home / "go").touch()
            server.wait_until_called("wait_for_work")
            server.add((source.put("b", "b"), "/pfs/texts/b"))
            server.ends_when_all_have_reports = True
            assert worker.wait() == 0, worker.stderr

    assert outcomes(server) == [[AttemptOutcome.DONE]] * 2
    assert [claim.ahead for claim in server.claims[:2]] == [False, True]


def test_a_failing_command_spoils_neither_its_neighbours_nor_their_directories(
    source: Bucket, egress: Bucket, home: Path
) -> None:
    command = f"""
        {COPY}
        mkdir "$FALCONERI_PFS/locked"; touch "$FALCONERI_PFS/locked/in"
        chmod 500 "$FALCONERI_PFS/locked"
        test ! -e "$FALCONERI_PFS/texts/bad"
    """
    names = ("a", "bad", "c", "d")
    with job(source, egress, home, command, *names) as server, pipelining(home, server) as worker:
        assert worker.wait() == 0, worker.stderr

    assert [report.failure_class for datum in server.datums for report in datum.reports] == [
        *(None, FailureClass.COMMAND, None, None)
    ]
    assert egress.content() == {name: name for name in ("a", "c", "d")}


def test_links_between_outputs_lead_to_the_same_files_when_they_are_stored(
    source: Bucket, egress: Bucket, home: Path
) -> None:
    command = f"""
        {COPY}; cd "$FALCONERI_PFS/out"; mkdir deep
        ln -s "$FALCONERI_PFS/out/a" absolute; ln -s ../a deep/relative
    """
    with job(source, egress, home, command, "a") as server, pipelining(home, server) as worker:
        assert worker.wait() == 0, worker.stderr

    assert egress.content() == {"a": "a", "absolute": "a", "deep/relative": "a"}


def test_a_worker_told_to_go_gives_back_what_it_works_on_and_what_it_has_fetched(
    source: Bucket, egress: Bucket, home: Path
) -> None:
    command = "await_ahead; echo fetched; exec sleep 600"
    with (
        job(source, egress, home, command, "a", "b", "c") as server,
        pipelining(home, server) as worker,
    ):
        assert worker.process.stdout is not None
        assert worker.process.stdout.readline() == "fetched\n"
        worker.process.terminate()
        assert worker.wait() == 143, worker.stderr

    classes = [[report.failure_class for report in datum.reports] for datum in server.datums]
    assert classes == [[FailureClass.EVICTED], [FailureClass.EVICTED], []]
    assert egress.content() == {}


def test_within_the_grace_the_command_in_work_ends_and_the_next_does_not_begin(
    source: Bucket, egress: Bucket, home: Path
) -> None:
    command = f'if is_first; then await_ahead; fi; echo fetched; await "$0/go"; {COPY}'
    with (
        job(source, egress, home, command, "a", "b") as server,
        pipelining(home, server, FALCONERI_GRACE="600") as worker,
    ):
        assert worker.process.stdout is not None
        assert worker.process.stdout.readline() == "fetched\n"
        worker.process.terminate()
        server.wait_until_called("complete")  # what was fetched ahead is given back at once
        assert sorted(outcomes(server)) == [[], [AttemptOutcome.ERROR]]
        (home / "go").touch()
        assert worker.wait() == 143, worker.stderr

    assert sorted(outcomes(server)) == [[AttemptOutcome.DONE], [AttemptOutcome.ERROR]]
    assert len(egress.content()) == 1


def test_a_lost_claim_ahead_does_not_touch_the_command_in_work(
    source: Bucket, egress: Bucket, home: Path
) -> None:
    command = f'if is_first; then await_ahead; fi; echo fetched; await "$0/go"; {COPY}'
    with job(source, egress, home, command, "a", "b") as server, pipelining(home, server) as worker:
        assert worker.process.stdout is not None
        assert worker.process.stdout.readline() == "fetched\n"
        [ahead] = [datum for datum in server.datums if (home / f"lane-{datum.slot}/texts").exists()]
        server.lost.add(ahead.id)
        server.wait_until_called("/claim", times=3)
        server.lost.clear()
        (home / "go").touch()
        assert worker.wait() == 0, worker.stderr

    assert len(worker.events("claim_lost")) >= 1
    assert outcomes(server) == [[AttemptOutcome.DONE]] * 2
    assert egress.content() == {"a": "a", "b": "b"}


@pytest.mark.parametrize("off", ["spec", "setting", "space"])
def test_without_pipelining_a_worker_holds_one_datum(
    source: Bucket, egress: Bucket, home: Path, off: str
) -> None:
    settings = {"FALCONERI_SPACE": str(home)} if off != "space" else {}
    settings |= {"FALCONERI_PREFETCH": "0"} if off == "setting" else {}
    with (
        job(source, egress, home, COPY, "a", "b", pipelining=off != "spec") as server,
        working(home, server, **settings) as worker,
    ):
        assert worker.wait() == 0, worker.stderr

    assert outcomes(server) == [[AttemptOutcome.DONE]] * 2
    assert [claim.slot for claim in server.claims] == [0]
    assert not any(completion.ahead for completion in server.completions)


def test_a_space_that_is_not_the_commands_is_said_and_not_used(
    source: Bucket, egress: Bucket, home: Path, tmp_path: Path
) -> None:
    (tmp_path / "other" / "pfs").mkdir(parents=True)
    with (
        job(source, egress, home, COPY, "a") as server,
        working(home, server, FALCONERI_SPACE=str(tmp_path / "other")) as worker,
    ):
        assert worker.wait() == 0, worker.stderr

    [event] = worker.events("not_pipelining")
    assert event["reason"].endswith(f"other/pfs is not {home}/pfs")
    assert egress.content() == {"a": "a"}
