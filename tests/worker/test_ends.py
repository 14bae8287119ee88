"""How a worker ends, and its command: both as processes, against a small falconerid."""

from __future__ import annotations

import os
import select
import signal
import sys
from pathlib import Path

import pytest

from falconeri.states import AttemptOutcome, FailureClass, JobStatus
from tests.client.server import Reply
from tests.worker.conftest import Bucket
from tests.worker.falconerid import falconerid
from tests.worker.process import Worker, working
from tests.worker.test_life import UPPER, add_text, reports

SLEEP = ("sh", "-c", 'echo begun; touch "$FALCONERI_SCRATCH/begun"; sleep 600')


def test_the_command_of_a_lost_claim_is_killed_and_its_outputs_stay_away(
    source: Bucket, egress: Bucket, home: Path
) -> None:
    command = ("sh", "-c", 'cat "$FALCONERI_PFS"/texts/* > "$FALCONERI_PFS/out/x"; exec sleep 600')
    with falconerid(command, egress.uri, lease_s=1) as server:
        add_text(server, source, "a.txt")
        with working(home, server) as worker:
            server.wait_until_called("heartbeat")
            server.lost.add(server.datums[0].id)
            server.wait_until_called("claim", times=2)
            server.end(JobStatus.DONE)
            assert worker.wait() == 0, worker.stderr

    assert egress.content() == {}
    assert reports(server) == []
    assert len(worker.events("claim_lost")) >= 1


def test_the_command_of_a_canceled_job_is_killed_and_the_worker_leaves(
    egress: Bucket, home: Path
) -> None:
    with falconerid(SLEEP, egress.uri, lease_s=1) as server:
        server.add()
        with working(home, server) as worker:
            server.wait_until_called("claim")
            server.end(JobStatus.CANCELED)
            assert worker.wait() == 0, worker.stderr

    assert reports(server) == []
    assert "canceled" in worker.events("job_ended")[0]["reason"]


def test_a_canceled_jobs_command_is_killed_long_before_the_next_heartbeat(
    egress: Bucket, home: Path
) -> None:
    with falconerid(SLEEP, egress.uri, lease_s=86_400) as server:
        server.add()
        with working(home, server) as worker:
            wait_for_line(worker, "begun\n")
            server.end(JobStatus.CANCELED)
            assert worker.wait() == 0, worker.stderr

    assert (reports(server), server.beats) == ([], [])


def test_a_report_that_comes_too_late_is_dropped(
    source: Bucket, egress: Bucket, home: Path
) -> None:
    lost = Reply(403, b'{"code": "claim_lost", "message": "claim lost"}')
    with falconerid(UPPER, egress.uri) as server:
        add_text(server, source, "a.txt")
        server.failing.append(("complete", lost))
        with working(home, server) as worker:
            assert worker.wait() == 0, worker.stderr

    assert len(worker.events("claim_lost")) == 1
    assert reports(server) == [AttemptOutcome.DONE]  # claimed again, and done again


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_worker_told_to_go_gives_its_datum_back(
    number: signal.Signals, status: int, egress: Bucket, home: Path
) -> None:
    with falconerid(SLEEP, egress.uri) as server:
        server.add()
        with working(home, server) as worker:
            wait_for_line(worker, "begun\n")
            worker.process.send_signal(number)
            assert worker.wait() == status, worker.stderr

    [report] = server.datums[0].reports
    assert (report.outcome, report.failure_class) == (AttemptOutcome.ERROR, FailureClass.EVICTED)
    assert len(worker.events("datum_given_back")) == 1


def test_a_worker_told_to_go_still_reports_what_was_done(
    source: Bucket, egress: Bucket, home: Path
) -> None:
    with falconerid(UPPER, egress.uri) as server:
        add_text(server, source, "a.txt")
        add_text(server, source, "b.txt")
        server.failing.append(("complete", Reply(503, b"", {"Retry-After": "60"})))
        with working(home, server) as worker:
            server.wait_until_called("complete")
            worker.process.terminate()
            assert worker.wait() == 143, worker.stderr

    assert reports(server) == [AttemptOutcome.DONE]
    assert not server.datums[1].running


def test_a_waiting_worker_told_to_go_goes(egress: Bucket, home: Path) -> None:
    with falconerid(UPPER, egress.uri) as server, working(home, server) as worker:
        server.wait_until_called("wait_for_work")
        worker.process.terminate()
        assert worker.wait() == 143, worker.stderr


def test_a_worker_told_to_go_while_falconerid_is_away_goes(egress: Bucket, home: Path) -> None:
    with falconerid(UPPER, egress.uri) as server:
        server.failing += [("workers", Reply(503))] * 1000
        with working(home, server) as worker:
            server.wait_until_called("workers", times=2)
            worker.process.terminate()
            assert worker.wait() == 143, worker.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a child to its parent")
def test_the_command_dies_with_its_worker(egress: Bucket, home: Path) -> None:
    with falconerid(("sh", "-c", "echo $$; exec sleep 600"), egress.uri) as server:
        server.add()
        with working(home, server) as worker:
            assert worker.process.stdout is not None
            command = int(worker.process.stdout.readline())
            watched = os.pidfd_open(command)
            worker.process.kill()
            wait_for_end(watched)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives orphans to a subreaper")
def test_a_daemon_of_the_command_does_not_outlive_its_datum(egress: Bucket, home: Path) -> None:
    daemon = "setsid sh -c 'exec sleep 600 >/dev/null 2>&1' & echo $!; sleep 0.1"
    with falconerid(("sh", "-c", f"({daemon})"), egress.uri) as server:
        server.add()
        with working(home, server) as worker:
            assert worker.wait() == 0, worker.stderr
            assert not Path(f"/proc/{int(worker.stdout)}").exists()


def test_a_job_that_does_not_exist_is_no_error(egress: Bucket, home: Path) -> None:
    with falconerid(UPPER, egress.uri) as server:
        worker = Worker(home, server.url, ["0b3c2c1e-7d0e-4b8e-9b1c-3f6f0c7a9a11"], {})
        assert worker.wait() == 0, worker.stderr
    assert "job not found" in worker.events("job_ended")[0]["reason"]


def test_a_refused_password_ends_the_worker_with_one_clear_line(egress: Bucket, home: Path) -> None:
    refused = Reply(401, b'{"code": "unauthorized", "message": "invalid credentials"}')
    with falconerid(UPPER, egress.uri) as server:
        server.failing.append(("workers", refused))
        with working(home, server) as worker:
            assert worker.wait() == 1
    [line] = worker.stderr.splitlines()
    assert "invalid credentials" in line


def wait_for_line(worker: Worker, line: str) -> None:
    assert worker.process.stdout is not None
    assert worker.process.stdout.readline() == line


def wait_for_end(pidfd: int) -> None:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    assert poll.poll(60_000)
    os.close(pidfd)
