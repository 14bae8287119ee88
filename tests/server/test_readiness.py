"""Probes, and what becomes of requests while PostgreSQL comes and goes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from falconeri.db.migrate import migrate
from falconeri.local import Server
from falconeri.local.state import LocalState
from falconeri.server.readiness import FRESH_S, Readiness
from tests import processes
from tests.conftest import CopyState
from tests.databases import fresh_database
from tests.folders import public_folder
from tests.processes import wait_until
from tests.server.falconerid import Falconerid, events, running


@pytest.fixture
def state(used_state: CopyState) -> Iterator[Path]:
    with public_folder("ready") as directory:
        used_state(directory / "state")
        yield directory
        processes.wait_until_nothing_is_left(directory)


def start(state: Path, port: int | None = None) -> Server:
    return Server.start(LocalState(state / "state").postgres, durable=False, port=port)


def ready(server: Falconerid) -> int:
    return server.call("GET", "/readyz", password=None).status


def test_restart_of_postgres_is_told_and_survived(state: Path) -> None:
    postgres = start(state)
    try:
        with running(postgres.url, state) as server:
            assert ready(server) == 200
            assert server.call("GET", "/jobs/list").status == 200

            postgres.stop()
            wait_until(lambda: ready(server) == 503)
            refused = server.call("GET", "/jobs/list")
            told = server.call("GET", "/readyz", password=None)
            alive = server.call("GET", "/healthz", password=None)

            postgres = start(state, postgres.address.port)
            wait_until(lambda: ready(server) == 200)
            wait_until(lambda: server.call("GET", "/jobs/list").status == 200)
    finally:
        postgres.stop()

    assert (refused.status, refused.headers["retry-after"]) == (503, "2")
    assert refused.json["code"] == "unavailable"
    assert (told.headers["retry-after"], told.json["message"]) == ("2", "not ready")
    assert told.json["detail"] == "the database can't be reached"
    assert alive.status == 200


def test_postgres_that_hangs_makes_nobody_wait_for_the_probe(state: Path) -> None:
    postgres = start(state)
    backends = processes.find(state, "postgres")
    try:
        with running(postgres.url, state) as server:
            assert ready(server) == 200
            for pid in backends:
                os.kill(pid, signal.SIGSTOP)

            wait_until(lambda: ready(server) == 503)
            assert server.call("GET", "/healthz", password=None).status == 200

            for pid in backends:
                os.kill(pid, signal.SIGCONT)
            wait_until(lambda: ready(server) == 200)
    finally:
        for pid in backends & processes.find(state, "postgres"):
            os.kill(pid, signal.SIGCONT)
        postgres.stop()


def set_checksum(url: str, checksum: str) -> None:
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("update falconeri.applied_code set checksum = %s", (checksum,))


def test_database_without_a_schema_is_not_ready(tmp_path: Path) -> None:
    with fresh_database() as url, running(url, tmp_path) as server:
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute("delete from falconeri.applied_code")

        wait_until(lambda: ready(server) == 503)

        answer = server.call("GET", "/readyz", password=None)
        assert answer.json["detail"] == "the database is not migrated"
        migrate(url)
        wait_until(lambda: ready(server) == 200)


def test_old_replica_serves_on_when_a_newer_one_has_migrated(tmp_path: Path) -> None:
    with fresh_database() as url, running(url, tmp_path) as server:
        wait_until(lambda: ready(server) == 200)

        set_checksum(url, "of a newer version")

        beyond = time.monotonic() + 3 * FRESH_S
        wait_until(lambda: ready(server) != 200 or time.monotonic() > beyond)
        assert ready(server) == 200
        assert server.call("GET", "/jobs/list").status == 200


def test_another_schema_is_not_ready_for_one_that_has_never_seen_its_own() -> None:
    with fresh_database() as url:
        set_checksum(url, "of another version")

        assert Readiness(url).refusal() == "the database has another schema"


def test_programs_wait_for_a_schema_as_long_as_they_are_told(tmp_path: Path) -> None:
    with fresh_database() as url:
        set_checksum(url, "of an older version")
        with waiting_tasks(url, tmp_path) as tasks:
            wait_until(lambda: events(tasks, "awaiting_schema"))

            migrate(url)

            wait_until(lambda: events(tasks, "tasks_ready"))


@contextmanager
def waiting_tasks(url: str, state: Path) -> Generator[Path]:
    """`falconerid tasks` that awaits the schema; its log."""
    environment = os.environ | {
        "FALCONERI_DATABASE_URL": url,
        "FALCONERI_PASSWORD": "secret",
        "FALCONERI_STATE": str(state),
    }
    log = state / "tasks.log"
    command = [sys.executable, "-m", "falconeri.daemon", "tasks", "--await-schema", "5m"]
    with log.open("wb") as output, subprocess.Popen(command, env=environment, stderr=output) as p:
        try:
            yield log
        finally:
            p.terminate()
