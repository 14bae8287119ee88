"""The worker's life, as a process, against a small falconerid."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from falconeri.states import AttemptOutcome, FailureClass, JobStatus
from tests.client.server import Reply
from tests.worker.conftest import Bucket
from tests.worker.falconerid import Falconerid, falconerid
from tests.worker.process import working

UPPER = (
    "sh",
    "-c",
    'for f in "$FALCONERI_PFS"/texts/*; do tr a-z A-Z < "$f" > "$FALCONERI_PFS/out/${f##*/}"; done',
)


def add_text(server: Falconerid, source: Bucket, name: str, content: str = "hello") -> None:
    server.add((source.put(name, content), f"/pfs/texts/{name}"))


def reports(server: Falconerid) -> list[AttemptOutcome]:
    return [report.outcome for datum in server.datums for report in datum.reports]


def test_a_worker_asks_for_its_job_before_it_loads_what_works_on_it() -> None:
    later = {"urllib3", "boto3", "falconeri_worker.crew", "falconeri_worker.datum"}
    program = f"""
import sys
import falconeri_worker.main
print(*{later} & set(sys.modules))
"""
    answer = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert answer.stdout == "\n"


def test_a_worker_does_all_datums_and_leaves_when_the_job_has_ended(
    source: Bucket, egress: Bucket, home: Path
) -> None:
    with falconerid(UPPER, egress.uri) as server:
        add_text(server, source, "a.txt")
        add_text(server, source, "b.txt", "bye")
        with working(home, server) as worker:
            assert worker.wait() == 0, worker.stderr

    assert egress.content() == {"a.txt": "HELLO", "b.txt": "BYE"}
    assert reports(server) == [AttemptOutcome.DONE] * 2
    first = server.datums[0]
    assert [(out["status"], out["size_bytes"]) for out in first.outputs.values()] == [("done", 5)]
    assert (first.reports[0].bytes_in, first.reports[0].bytes_out) == (5, 5)
    assert [event["bytes_in"] for event in worker.events("datum_done")] == [5, 3]
    assert (list(worker.pfs.iterdir()), list(worker.scratch.iterdir())) == ([], [])


def test_each_datum_costs_one_call_besides_its_outputs(
    source: Bucket, egress: Bucket, home: Path
) -> None:
    with falconerid(UPPER, egress.uri) as server:
        for name in ("a", "b", "c"):
            add_text(server, source, name)
        with working(home, server) as worker:
            assert worker.wait() == 0, worker.stderr

    calls = [call.rpartition("/")[2] for call in server.calls]
    assert calls == ["workers", "claim", *["output_files", "output_files", "complete"] * 3]


def test_a_datum_whose_command_fails_does_not_end_the_worker(
    source: Bucket, egress: Bucket, home: Path
) -> None:
    command = (
        "sh",
        "-c",
        'echo "doing $FALCONERI_DATUM_ID"; echo oops >&2; test -e "$FALCONERI_PFS/texts/good"',
    )
    with falconerid(command, egress.uri) as server:
        add_text(server, source, "bad")
        add_text(server, source, "good")
        with working(home, server) as worker:
            assert worker.wait() == 0, worker.stderr

    [failed], [done] = (datum.reports for datum in server.datums)
    assert (failed.outcome, failed.failure_class) == (AttemptOutcome.ERROR, FailureClass.COMMAND)
    assert failed.exit_code == 1
    assert failed.error_message is not None
    assert failed.error_message.endswith("failed: exit status 1")
    assert f"doing {server.datums[0].id}\n" in failed.output
    assert "oops\n" in failed.output
    assert done.outcome is AttemptOutcome.DONE
    assert worker.stdout.count("doing ") == 2
    assert len(worker.events("datum_failed")) == 1


def test_what_a_running_command_prints_is_told_meanwhile(egress: Bucket, home: Path) -> None:
    command = (
        "sh",
        "-c",
        'echo begun; while [ ! -e "$FALCONERI_SCRATCH/go" ]; do sleep 0.05; done',
    )
    with falconerid(command, egress.uri, lease_s=1) as server:
        server.add()
        with working(home, server) as worker:
            with server.changed:
                assert server.changed.wait_for(lambda: "begun\n" in _tails(server), timeout=60)
            (worker.scratch / "go").touch()
            assert worker.wait() == 0, worker.stderr


def _tails(server: Falconerid) -> list[str | None]:
    return [held.log_tail for beat in server.beats for held in beat.held]


def test_the_command_sees_the_datum_but_not_the_password(
    source: Bucket, egress: Bucket, home: Path
) -> None:
    with falconerid(("env",), egress.uri) as server:
        add_text(server, source, "a")
        with working(home, server, GREETING="hello") as worker:
            assert worker.wait() == 0, worker.stderr

    [report] = server.datums[0].reports
    variables = dict(line.split("=", 1) for line in report.output.splitlines() if "=" in line)
    assert variables["FALCONERI_JOB_ID"] == str(server.job_id)
    assert variables["FALCONERI_DATUM_ID"] == str(server.datums[0].id)
    assert variables["FALCONERI_ATTEMPT"] == "1"
    assert variables["GREETING"] == "hello"
    assert "FALCONERI_PASSWORD_FILE" not in variables


def test_an_input_that_is_not_there_fails_the_datum_by_its_name(
    source: Bucket, egress: Bucket, home: Path
) -> None:
    with falconerid(UPPER, egress.uri) as server:
        server.add((source.uri + "missing.txt", "/pfs/texts/missing.txt"))
        with working(home, server) as worker:
            assert worker.wait() == 0, worker.stderr

    [report] = server.datums[0].reports
    assert report.failure_class is FailureClass.STORAGE
    assert "missing.txt" in (report.error_message or "")


def test_a_command_that_is_not_there_fails_the_datum_by_its_name(
    egress: Bucket, home: Path
) -> None:
    with falconerid(("no-such-program",), egress.uri) as server:
        server.add()
        with working(home, server) as worker:
            assert worker.wait() == 0, worker.stderr

    [report] = server.datums[0].reports
    assert report.failure_class is FailureClass.COMMAND
    assert report.error_message == 'could not run "no-such-program": No such file or directory'


def test_a_whole_directory_is_an_input(source: Bucket, egress: Bucket, home: Path) -> None:
    source.put("d/a.txt", "one")
    source.put("d/deep/b.txt", "two")
    command = ("sh", "-c", 'cp -r "$FALCONERI_PFS/texts/." "$FALCONERI_PFS/out"')
    with falconerid(command, egress.uri) as server:
        server.add((source.uri + "d/", "/pfs/texts/"))
        with working(home, server) as worker:
            assert worker.wait() == 0, worker.stderr

    assert egress.content() == {"a.txt": "one", "deep/b.txt": "two"}


def test_a_worker_without_work_is_told_when_there_is_some(
    source: Bucket, egress: Bucket, home: Path
) -> None:
    with falconerid(UPPER, egress.uri) as server, working(home, server) as worker:
        server.wait_until_called("wait_for_work")
        add_text(server, source, "a.txt")
        assert worker.wait() == 0, worker.stderr

    assert egress.content() == {"a.txt": "HELLO"}
    assert sum(call.endswith("/claim") for call in server.calls) == 1


def test_a_waiting_worker_leaves_when_the_job_ends(egress: Bucket, home: Path) -> None:
    with falconerid(UPPER, egress.uri) as server, working(home, server) as worker:
        server.wait_until_called("wait_for_work")
        server.end(JobStatus.CANCELED)
        assert worker.wait() == 0, worker.stderr


def test_without_a_waiting_port_the_worker_asks_again(
    source: Bucket, egress: Bucket, home: Path
) -> None:
    with falconerid(UPPER, egress.uri) as server:
        server.waiting_port = False
        with working(home, server) as worker:
            server.wait_until_called("wait_for_work")
            add_text(server, source, "a.txt")
            assert worker.wait() == 0, worker.stderr

    assert egress.content() == {"a.txt": "HELLO"}


def test_a_short_absence_of_falconerid_is_outlived(
    source: Bucket, egress: Bucket, home: Path
) -> None:
    with falconerid(UPPER, egress.uri) as server:
        add_text(server, source, "a.txt")
        away = Reply(503, b"", {})
        for call in ("workers", "claim", "output_files", "complete"):
            server.failing.append((call, away))
        with working(home, server) as worker:
            assert worker.wait() == 0, worker.stderr

    assert reports(server) == [AttemptOutcome.DONE]


def test_output_that_is_being_cleaned_up_is_waited_for(
    source: Bucket, egress: Bucket, home: Path
) -> None:
    busy = Reply(409, b'{"code": "output_busy", "message": "output is being cleaned up"}')
    with falconerid(UPPER, egress.uri) as server:
        add_text(server, source, "a.txt")
        server.failing.append(("output_files", busy))
        with working(home, server) as worker:
            assert worker.wait() == 0, worker.stderr

    assert reports(server) == [AttemptOutcome.DONE]


def test_two_datums_with_the_same_output_are_the_commands_failure(
    source: Bucket, egress: Bucket, home: Path
) -> None:
    clash = b'{"code": "output_clash", "message": "clash", "detail": "x of d1 and d2"}'
    with falconerid(UPPER, egress.uri) as server:
        add_text(server, source, "a.txt")
        server.failing.append(("output_files", Reply(409, clash)))
        with working(home, server) as worker:
            assert worker.wait() == 0, worker.stderr

    [report] = server.datums[0].reports
    assert (report.failure_class, report.error_message) == (
        FailureClass.COMMAND,
        "clash: x of d1 and d2",
    )
    assert egress.content() == {}


def test_a_failed_upload_is_settled_as_an_error(source: Bucket, home: Path, tmp_path: Path) -> None:
    (tmp_path / "egress").write_text("a file where the directory should be")
    with falconerid(UPPER, f"file://{tmp_path}/egress/") as server:
        add_text(server, source, "a.txt")
        with working(home, server) as worker:
            assert worker.wait() == 0, worker.stderr

    [datum] = server.datums
    assert [output["status"] for output in datum.outputs.values()] == ["error"]
    assert datum.reports[0].failure_class is FailureClass.STORAGE
