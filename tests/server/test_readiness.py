"""Probes, and what becomes of requests while PostgreSQL comes and goes."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from falconeri.db.migrate import migrate
from falconeri.local import Server
from tests import processes
from tests.databases import fresh_database
from tests.processes import wait_until
from tests.server.falconerid import Falconerid, running


@pytest.fixture
def state() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="falconeri-ready-"))
    directory.chmod(0o755)  # as root the server runs as somebody else
    yield directory
    processes.wait_until_nothing_is_left(directory)
    shutil.rmtree(directory)


def start(state: Path, port: int | None = None) -> Server:
    return Server.start(state / "postgres", durable=False, port=port)


def ready(server: Falconerid) -> int:
    return server.call("GET", "/readyz", password=None).status


def test_restart_of_postgres_is_told_and_survived(state: Path) -> None:
    postgres = start(state)
    migrate(postgres.url)
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
    migrate(postgres.url)
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


def test_another_schema_is_not_ready(tmp_path: Path) -> None:
    with fresh_database() as url, running(url, tmp_path) as server:
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute("update falconeri.applied_code set checksum = 'of another version'")

        wait_until(lambda: ready(server) == 503)

        answer = server.call("GET", "/readyz", password=None)
        assert answer.json["detail"] == "the database has another schema"
        migrate(url)
        wait_until(lambda: ready(server) == 200)
