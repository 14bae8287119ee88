"""The waiting port: who is told what, and when."""

from __future__ import annotations

import http.client
import json
import socket
import sys
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from falconeri.client.retry import ONCE
from falconeri.client.transport import Transport
from falconeri.client.work import WorkClient
from falconeri.states import Verdict
from falconeri.wire.work import WaitForWork
from tests.databases import fresh_database
from tests.processes import wait_until
from tests.server.conftest import MakeJob, spec
from tests.server.falconerid import PASSWORD, Answer, Falconerid, basic, running
from tests.server.test_metrics import scrape


def wait_for_work(falconerid: Falconerid, job_id: str, pod: str, hold_s: float = 50) -> Answer:
    wish = {"pod_name": pod, "node_name": "n", "hold_s": hold_s}
    return falconerid.call("POST", f"/jobs/{job_id}/wait_for_work", wish, waiting=True)


def claim(falconerid: Falconerid, job_id: str, pod: str) -> dict[str, Any]:
    who = {"pod_name": pod, "node_name": "n"}
    answer: dict[str, Any] = falconerid.call("POST", f"/jobs/{job_id}/claim", who).json
    return answer


def complete(falconerid: Falconerid, claimed: dict[str, Any], pod: str, outcome: str) -> Answer:
    report: dict[str, object] = {"outcome": outcome}
    if outcome == "error":
        report |= {"failure_class": "command", "error_message": "no"}
    end = {
        "pod_name": pod,
        "attempt": claimed["claim"]["attempt"],
        "report": report,
        "claim_next": False,
    }
    return falconerid.call("POST", f"/datums/{claimed['claim']['datum_id']}/complete", end)


def await_watched(falconerid: Falconerid, job_id: str) -> None:
    """Until the hub has asked the job's shards to notify: then its waiters sleep."""
    with psycopg.connect(falconerid.database_url, autocommit=True) as conn:
        watched = (
            "select bool_and(s.watched) from falconeri.shards s "
            "join falconeri.jobs j using (job_no) where j.id = %s"
        )
        while conn.execute(watched, (job_id,)).fetchone() != (True,):
            pass


def test_waiter_gets_a_ready_datum_at_once(falconerid: Falconerid, make_job: MakeJob) -> None:
    answer = wait_for_work(falconerid, make_job(1)["id"], "pod-a").json

    assert answer["verdict"] == "claimed"
    assert answer["claim"]["attempt"] == 1
    assert answer["claim"]["inputs"][0]["local_path"] == "/pfs/books/0000.txt"


def test_waiter_is_told_empty_when_its_time_is_over(
    falconerid: Falconerid, make_job: MakeJob
) -> None:
    job_id = make_job(1)["id"]
    claim(falconerid, job_id, "pod-a")

    assert wait_for_work(falconerid, job_id, "pod-b", 0.2).json == {
        "verdict": "empty",
        "claim": None,
    }


def test_failed_datum_wakes_one_sleeper_and_the_jobs_end_all(
    falconerid: Falconerid, make_job: MakeJob
) -> None:
    job_id = make_job(1, datum_tries=2)["id"]
    held = claim(falconerid, job_id, "pod-a")
    with ThreadPoolExecutor() as threads:
        sleepers = {
            pod: threads.submit(wait_for_work, falconerid, job_id, pod)
            for pod in ("pod-b", "pod-c", "pod-d")
        }
        watcher = threads.submit(
            falconerid.call, "GET", f"/jobs/{job_id}/wait?hold_s=50", waiting=True
        )
        await_watched(falconerid, job_id)

        complete(falconerid, held, "pod-a", "error")
        woken = next(iter(first_done(sleepers)))
        again = sleepers.pop(woken).result().json
        assert again["claim"]["datum_id"] == held["claim"]["datum_id"]
        assert again["claim"]["attempt"] == 2
        assert not watcher.done()

        complete(falconerid, again, woken, "done")
        assert {s.result().json["verdict"] for s in sleepers.values()} == {"ended"}
        assert watcher.result().json["progress"]["status"] == "done"


def first_done(futures: dict[str, Future[Answer]]) -> list[str]:
    while not (done := [name for name, future in futures.items() if future.done()]):
        pass
    return done


@contextmanager
def locked(falconerid: Falconerid, job_id: str) -> Generator[None]:
    """Somebody has a transaction open that has touched all of the job's shards."""
    with psycopg.connect(falconerid.database_url) as conn:
        conn.execute(
            "select from falconeri.shards s join falconeri.jobs j using (job_no)"
            " where j.id = %s for update of s",
            (job_id,),
        )
        yield


@pytest.mark.parametrize("ready", [True, False], ids=["which has work", "which has none"])
def test_job_that_somebody_has_locked_keeps_no_other_waiting(
    falconerid: Falconerid, make_job: MakeJob, *, ready: bool
) -> None:
    job_id, other_id = make_job(1)["id"], make_job(1)["id"]
    held = None if ready else claim(falconerid, job_id, "pod-a")
    with ThreadPoolExecutor() as threads:
        with locked(falconerid, job_id):
            waiter = threads.submit(wait_for_work, falconerid, job_id, "pod-b")
            wait_until(lambda: scrape(falconerid)[("falconerid_waiters",)] == 1)

            assert wait_for_work(falconerid, other_id, "pod-c").json["verdict"] == "claimed"
            assert not waiter.done()
        if held:
            complete(falconerid, held, "pod-a", "error")

        assert waiter.result().json["verdict"] == "claimed"


def test_wait_for_an_unknown_job_is_404(falconerid: Falconerid) -> None:
    nobody = "00000000-0000-4000-8000-000000000000"

    answers = (
        wait_for_work(falconerid, nobody, "pod-a"),
        falconerid.call("GET", f"/jobs/{nobody}/wait", waiting=True),
    )

    assert [(answer.status, answer.json["code"]) for answer in answers] == [
        (404, "job_not_found"),
        (404, "job_not_found"),
    ]


def test_nobody_claims_for_a_client_that_has_gone(
    falconerid: Falconerid, make_job: MakeJob
) -> None:
    job_id = make_job(1, datum_tries=2)["id"]
    held = claim(falconerid, job_id, "pod-a")
    body = json.dumps({"pod_name": "pod-gone", "node_name": "n", "hold_s": 50})
    with socket.create_connection(("127.0.0.1", falconerid.wait_port)) as client:
        head = (
            f"POST /jobs/{job_id}/wait_for_work HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: {basic(PASSWORD)}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        client.sendall((head + body).encode())
        await_watched(falconerid, job_id)
    # Answered by the same event loop, after it has seen the other's end.
    assert wait_for_work(falconerid, job_id, "pod-b", 0.1).json["verdict"] == "empty"

    complete(falconerid, held, "pod-a", "error")

    assert wait_for_work(falconerid, job_id, "pod-b").json["verdict"] == "claimed"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/net/tcp")
def test_both_ends_of_a_silent_wait_are_probed(falconerid: Falconerid, make_job: MakeJob) -> None:
    job_id = make_job(1, datum_tries=2)["id"]
    held = claim(falconerid, job_id, "pod-a")
    port = falconerid.wait_port
    transport = Transport(f"http://127.0.0.1:{port}/", PASSWORD, timeout_s=60.0, retries=ONCE)
    wish = WaitForWork(pod_name="pod-b", node_name="n", hold_s=50.0)
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(WorkClient(transport).wait_for_work, UUID(job_id), wish)
        await_watched(falconerid, job_id)

        assert timers(port) == {"server": {KEEPALIVE}, "client": {KEEPALIVE}}

        complete(falconerid, held, "pod-a", "error")
        assert waiting.result().verdict is Verdict.CLAIMED


KEEPALIVE = "02"


def timers(port: int) -> dict[str, set[str]]:
    """The kernel's timers of both ends of the connections to a port."""
    found: dict[str, set[str]] = {"server": set(), "client": set()}
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state, _, timer, *_ = line.split()
        if state == "01":  # established
            for end, address in (("server", local), ("client", remote)):
                if int(address.partition(":")[2], 16) == port:
                    found[end].add(timer.partition(":")[0])
    return found


def test_lost_listen_connection_loses_no_wake_up(falconerid: Falconerid, make_job: MakeJob) -> None:
    job_id = make_job(1, datum_tries=2)["id"]
    held = claim(falconerid, job_id, "pod-a")
    with ThreadPoolExecutor() as threads:
        sleeper = threads.submit(wait_for_work, falconerid, job_id, "pod-b")
        await_watched(falconerid, job_id)
        with psycopg.connect(falconerid.database_url, autocommit=True) as conn:
            conn.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where application_name like 'falconerid %' and datname = current_database()"
            )

        complete(falconerid, held, "pod-a", "error")

        assert sleeper.result().json["verdict"] == "claimed"


def with_own_server(tmp_path: Path, test: Callable[[Falconerid, str], None]) -> None:
    with fresh_database() as url, running(url, tmp_path) as own:
        job = own.call("POST", "/jobs", {"job": spec(tmp_path, 1)}).json["job"]
        test(own, job["id"])


def test_stopping_server_sends_waiters_away_and_exits_0(tmp_path: Path) -> None:
    def stop(own: Falconerid, job_id: str) -> None:
        claim(own, job_id, "pod-a")
        with ThreadPoolExecutor() as threads:
            sleeper = threads.submit(wait_for_work, own, job_id, "pod-b")
            await_watched(own, job_id)
            assert own.stop() == 0
            assert sleeper.result().json["verdict"] == "empty"

    with_own_server(tmp_path, stop)


def test_stopping_server_finishes_the_request_in_flight(tmp_path: Path) -> None:
    def stop(own: Falconerid, job_id: str) -> None:
        with psycopg.connect(own.database_url) as blocker:
            blocker.execute("select from falconeri.shards for update")
            with ThreadPoolExecutor() as threads:
                answer = threads.submit(own.call, "POST", f"/jobs/{job_id}/cancel")
                await_blocked(own)
                stopped = threads.submit(own.stop)
                await_refusing(own)
                blocker.rollback()
                assert answer.result().status == 200
                assert stopped.result() == 0

    with_own_server(tmp_path, stop)


def await_blocked(falconerid: Falconerid) -> None:
    query = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
    with psycopg.connect(falconerid.database_url, autocommit=True) as conn:
        while conn.execute(query).fetchone() == (0,):
            pass


def await_refusing(falconerid: Falconerid) -> None:
    while True:
        try:
            falconerid.call("GET", "/healthz")
        except (ConnectionRefusedError, ConnectionResetError, http.client.RemoteDisconnected):
            return


def test_those_who_wait_with_more_memory_are_not_kept_from_it_by_the_others(
    falconerid: Falconerid, make_job: MakeJob
) -> None:
    ladder = {"memory": {"start": "1Gi", "max": "2Gi"}, "cpu": 1}
    job_id = make_job(1, datum_tries=1, resource_requests=ladder)["id"]
    who = {"pod_name": "pod-big", "node_name": "n", "rung": 1}
    falconerid.call("POST", f"/jobs/{job_id}/workers", who)
    held = claim(falconerid, job_id, "pod-a")
    with ThreadPoolExecutor() as threads:
        small = threads.submit(wait_for_work, falconerid, job_id, "pod-b")
        await_watched(falconerid, job_id)
        big = threads.submit(
            falconerid.call,
            "POST",
            f"/jobs/{job_id}/wait_for_work",
            {**who, "hold_s": 50},
            waiting=True,
        )
        left = falconerid.call(
            "POST",
            f"/datums/{held['claim']['datum_id']}/tries_left",
            {"pod_name": "pod-a", "attempt": 1, "failure_class": "out_of_memory"},
        )
        report = {"outcome": "error", "failure_class": "out_of_memory", "error_message": "no"}
        end = {"pod_name": "pod-a", "attempt": 1, "report": report, "claim_next": False}
        falconerid.call("POST", f"/datums/{held['claim']['datum_id']}/complete", end)

        raised = big.result(timeout=60).json
        complete(falconerid, raised, "pod-big", "done")

        assert left.json == {"tries_left": 2}
        assert (raised["claim"]["datum_id"], raised["claim"]["attempt"]) == (
            held["claim"]["datum_id"],
            2,
        )
        assert small.result(timeout=60).json["verdict"] == "ended"
    described = falconerid.call("GET", f"/jobs/{job_id}/describe").json["rungs"]
    assert [rung["memory"] for rung in described] == ["1Gi", "2Gi"]


def test_a_rung_that_a_job_has_not_is_refused(falconerid: Falconerid, make_job: MakeJob) -> None:
    job_id = make_job(1)["id"]
    who = {"pod_name": "pod-big", "node_name": "n", "rung": 1}

    answer = falconerid.call("POST", f"/jobs/{job_id}/workers", who)

    assert (answer.status, answer.json["code"]) == (422, "invalid_input")
