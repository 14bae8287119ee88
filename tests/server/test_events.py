"""Server-sent events about a job: what is told, when, and how a stream ends."""

from __future__ import annotations

import os
import socket
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import cycle
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest

from falconeri.config import ServerConfig
from falconeri.server import events
from falconeri.server.hub import Hub
from falconeri.server.serve import make_services
from falconeri.server.sockets import bound
from falconeri.server.waiting_port import WaitingServer
from tests.databases import URL_VARIABLE, fresh_database
from tests.processes import wait_until
from tests.server.conftest import MakeJob, spec
from tests.server.event_stream import watching
from tests.server.falconerid import PASSWORD, Falconerid, basic, running
from tests.server.test_metrics import scrape
from tests.server.test_waiting import claim, complete


def request_for(job_id: str) -> bytes:
    """A request of a client of our own."""
    return (
        f"GET /jobs/{job_id}/events HTTP/1.1\r\nHost: x\r\nAuthorization: {basic(PASSWORD)}\r\n\r\n"
    ).encode()


def looks(falconerid: Falconerid) -> list[tuple[object, ...]]:
    """The connections that look at watched jobs."""
    with psycopg.connect(falconerid.database_url) as conn:
        return conn.execute(
            "select pid from pg_stat_activity where application_name = 'falconerid events'"
            " and datname = current_database()"
        ).fetchall()


def test_job_is_told_at_once_as_it_changes_and_when_it_has_ended(
    falconerid: Falconerid, make_job: MakeJob
) -> None:
    job = make_job(2)
    path = f"/jobs/{job['id']}"
    with watching(falconerid, job["id"]) as stream:
        state, progress = stream.until("progress")
        assert (stream.status, stream.headers["content-type"]) == (200, "text/event-stream")
        assert stream.headers["cache-control"] == "no-store"
        assert stream.retry_ms is not None
        assert state.data == {
            "event": "state",
            "job_id": job["id"],
            "job_name": job["job_name"],
            "status": "running",
            "paused": False,
            "parallelism": 10,
            "error_message": None,
        }
        assert (progress.name, progress.data["ready"]) == ("progress", 2)
        assert (state.id, bool(progress.id)) == (None, True)

        falconerid.call("POST", f"{path}/pause")
        assert [event.name for event in stream.until("state", paused=True)] == ["state"]
        falconerid.call("PUT", f"{path}/parallelism", {"parallelism": 3})
        assert [event.name for event in stream.until("state", parallelism=3)] == ["state"]
        falconerid.call("POST", f"{path}/resume")
        stream.until("state", paused=False)

        for _ in range(2):
            complete(falconerid, claim(falconerid, job["id"], "pod-a"), "pod-a", "done")
        *_, last_progress, end = stream.events()

    assert (end.name, end.data["status"]) == ("state", "done")
    assert (last_progress.data["done"], last_progress.data["status"]) == (2, "done")


def test_progress_is_told_without_any_notification(
    falconerid: Falconerid, make_job: MakeJob
) -> None:
    job_id = make_job(3)["id"]
    with watching(falconerid, job_id) as stream:
        stream.until("progress")

        complete(falconerid, claim(falconerid, job_id, "pod-a"), "pod-a", "done")

        *_, told = stream.until("progress", done=1)
        assert (told.data["ready"], told.data["total"]) == (2, 3)


def test_all_watchers_of_all_jobs_share_one_connection_which_goes_with_the_last(
    tmp_path: Path,
) -> None:
    with fresh_database() as url, running(url, tmp_path) as own:
        jobs = [own.call("POST", "/jobs", {"job": spec(tmp_path, 1)}).json["job"] for _ in range(3)]
        with ExitStack() as watchers:
            streams = [
                watchers.enter_context(watching(own, job["id"])) for job in jobs for _ in range(5)
            ]
            for stream in streams:
                stream.until("progress")

            assert len(looks(own)) == 1
            assert scrape(own)[("falconerid_waiters",)] == 15
            own.call("POST", f"/jobs/{jobs[0]['id']}/cancel")
            for stream in streams[:5]:
                *_, end = stream.events()
                assert end.data["status"] == "canceled"

        wait_until(lambda: scrape(own)[("falconerid_waiters",)] == 0)
        wait_until(lambda: looks(own) == [])


def test_ended_job_is_told_and_who_knows_it_already_is_sent_home(
    falconerid: Falconerid, make_job: MakeJob
) -> None:
    job_id = make_job(1)["id"]
    falconerid.call("POST", f"/jobs/{job_id}/cancel")
    with watching(falconerid, job_id) as stream:
        progress, end = stream.events()

    assert (progress.data["canceled"], end.data["status"]) == (1, "canceled")
    again = falconerid.call(
        "GET",
        f"/jobs/{job_id}/events",
        headers={"Last-Event-ID": end.id or ""},
        waiting=True,
    )
    assert (again.status, again.body) == (204, b"")


def test_who_comes_again_is_told_only_what_is_new(
    falconerid: Falconerid, make_job: MakeJob
) -> None:
    job_id = make_job(2)["id"]
    with watching(falconerid, job_id) as stream:
        known = stream.until("progress")[-1].id or ""

    with watching(falconerid, job_id, Last_Event_ID=known) as stream:
        falconerid.call("POST", f"/jobs/{job_id}/pause")
        assert [event.name for event in stream.until("state", paused=True)] == ["state"]
    with watching(falconerid, job_id, Last_Event_ID=known) as stream:
        assert [event.name for event in stream.until("progress")] == ["state", "progress"]


def test_only_who_may_read_may_watch_what_there_is(
    falconerid: Falconerid, make_job: MakeJob
) -> None:
    path = f"/jobs/{make_job(1)['id']}/events"

    def status(path: str, password: str | None = PASSWORD, method: str = "GET") -> int:
        return falconerid.call(method, path, password=password, waiting=True).status

    assert status(f"/jobs/{uuid4()}/events") == 404
    assert status("/jobs/x/events") == 400
    assert status(path, None) == 401
    assert status(path, "wrong") == 401
    assert status(path, method="POST") == 405


def test_watcher_that_has_gone_is_forgotten(tmp_path: Path) -> None:
    with fresh_database() as url, running(url, tmp_path) as own:
        job = own.call("POST", "/jobs", {"job": spec(tmp_path, 1)}).json["job"]
        with socket.create_connection(("127.0.0.1", own.wait_port)) as client:
            client.sendall(request_for(job["id"]))
            wait_until(lambda: scrape(own)[("falconerid_waiters",)] == 1)

        wait_until(lambda: scrape(own)[("falconerid_waiters",)] == 0)


def test_watcher_that_reads_nothing_is_dropped(tmp_path: Path) -> None:
    with fresh_database() as url, running(url, tmp_path, FALCONERI_REQUEST_TIMEOUT="1s") as own:
        job = own.call("POST", "/jobs", {"job": spec(tmp_path, 1)}).json["job"]
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # as little as there is
            client.connect(("127.0.0.1", own.wait_port))
            client.sendall(request_for(job["id"]))
            wait_until(lambda: scrape(own)[("falconerid_waiters",)] == 1)
            turns = cycle(("pause", "resume"))

            def is_dropped() -> bool:
                own.call("POST", f"/jobs/{job['id']}/{next(turns)}")
                return scrape(own)[("falconerid_waiters",)] == 0

            wait_until(is_dropped)


@contextmanager
def without_database(falconerid: Falconerid) -> Generator[None]:
    """The server's database lets nobody in meanwhile."""
    url = urlsplit(falconerid.database_url)
    name = url.path.removeprefix("/")
    with psycopg.connect(os.environ[URL_VARIABLE], autocommit=True) as conn:
        conn.execute(f'alter database "{name}" allow_connections false'.encode())
        conn.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (name,)
        )
        yield
        conn.execute(f'alter database "{name}" allow_connections true'.encode())


def test_stream_outlives_an_absence_of_the_database(tmp_path: Path) -> None:
    with fresh_database() as url, running(url, tmp_path) as own:
        known, other = (
            own.call("POST", "/jobs", {"job": spec(tmp_path, 1)}).json["job"]["id"]
            for _ in range(2)
        )
        with watching(own, known) as stream:
            stream.until("progress")
            with without_database(own):
                refused = own.call("GET", f"/jobs/{other}/events", waiting=True)
                assert (refused.status, refused.json["code"]) == (503, "unavailable")
                assert "retry-after" in refused.headers
            with psycopg.connect(url, autocommit=True) as conn:
                conn.execute("select falconeri.cancel_job(%s)", (known,))

            *_, end = stream.events()
            assert end.data["status"] == "canceled"


def test_stopping_server_ends_streams_and_exits_0(tmp_path: Path) -> None:
    with fresh_database() as url, running(url, tmp_path) as own:
        job = own.call("POST", "/jobs", {"job": spec(tmp_path, 1)}).json["job"]
        with watching(own, job["id"]) as stream, ThreadPoolExecutor() as threads:
            stream.until("progress")
            stopped = threads.submit(own.stop)

            assert list(stream.events()) == []
            assert stopped.result() == 0


@contextmanager
def waiting_port(falconerid: Falconerid) -> Generator[int]:
    """A waiting port in this process, at the server's database; where."""
    environ = {"FALCONERI_DATABASE_URL": falconerid.database_url, "FALCONERI_PASSWORD": PASSWORD}
    services = make_services(ServerConfig.from_environment(environ), lambda _: {})
    (listener,) = bound("127.0.0.1", 0, shared=False)
    port: int = listener.getsockname()[1]
    hub = Hub(falconerid.database_url)
    server = WaitingServer(services, hub, [listener], request_limit_s=60)
    server.start()
    try:
        yield port
    finally:
        server.stop()
        services.db.close()


def test_comments_break_a_long_silence(
    falconerid: Falconerid, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "KEEP_ALIVE_S", 0.05)
    job_id = make_job()["id"]
    with (
        waiting_port(falconerid) as port,
        socket.create_connection(("127.0.0.1", port), timeout=60) as client,
    ):
        client.sendall(request_for(job_id))
        lines = client.makefile("rb")

        while next(lines) != b":\n":
            pass
