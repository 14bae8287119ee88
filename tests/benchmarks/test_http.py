"""`./run bench http`: its clients do what they are counted for, and its results can be read."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import psycopg
import pytest

from benchmarks.http_tier import talk, waiters
from benchmarks.http_tier.connection import Connection, Login, Refused
from benchmarks.http_tier.load import Kind, NoneLeft, Settings, make_clients
from benchmarks.http_tier.measure import Case, make_job
from benchmarks.http_tier.report import Report, save
from benchmarks.http_tier.servers import Running, falconerid
from benchmarks.queues import ours
from benchmarks.queues.queue import payload
from tests.client.server import Chunks, Reply, serving
from tests.databases import fresh_database

DONE = "select count(*) from falconeri.attempts where outcome = 'done'"
CONNECTIONS = 3


@pytest.fixture(scope="module")
def database() -> Generator[str]:
    with fresh_database() as url:
        yield url


@pytest.fixture(scope="module")
def api(database: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[Running]:
    with falconerid(database, tmp_path_factory.mktemp("state")) as server:
        yield server


@pytest.fixture
def conn(database: str) -> Generator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as conn:
        yield conn


def settings(kind: Kind, conn: psycopg.Connection, api: Running, datums: int) -> Settings:
    job_id = ours.make_job(conn, [payload(number) for number in range(datums)])
    return Settings(kind=kind, login=api.login(job_id), connections=CONNECTIONS, job_id=job_id)


def count(conn: psycopg.Connection) -> int:
    row = conn.execute(DONE).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("kind", ["sockets", "WorkClient"])
def test_a_step_is_a_datum_that_was_completed(
    kind: Kind, conn: psycopg.Connection, api: Running
) -> None:
    before = count(conn)
    with closing(make_clients(settings(kind, conn, api, 2_000))) as clients:
        steps: list[int] = []
        while sum(map(bool, steps)) < 2:  # a busy machine may do nothing in one
            assert len(steps) < 100
            steps.append(clients.burst(0.05).steps)

    assert count(conn) - before == sum(steps)


@pytest.mark.parametrize("kind", ["sockets", "WorkClient"])
def test_job_that_is_used_up_ends_the_measurement(
    kind: Kind, conn: psycopg.Connection, api: Running
) -> None:
    with (
        closing(make_clients(settings(kind, conn, api, 5))) as clients,
        pytest.raises(NoneLeft),
    ):
        clients.burst(5)


def test_waiters_are_told_of_a_failed_datum_one_by_one_and_of_the_end_together(
    conn: psycopg.Connection, api: Running
) -> None:
    job_id = make_job(conn, [payload(0)], tries=3)
    crowd = waiters.Settings(
        rest=api.admin(),
        waiting=api.login(job_id, waiting=True),
        job_id=job_id,
        count=4,
        hold_s=20.0,
    )

    with talk.running("waiters", crowd) as program:
        program.hear(float)
        told: list[int] = []
        for command in (waiters.Command.FAIL, waiters.Command.FAIL, waiters.Command.CANCEL):
            program.tell(command)
            told.append(len(program.hear(waiters.Told).after_s))

    assert told == [1, 1, 3]


@pytest.mark.parametrize("reply", [Reply(503, b"{}"), Chunks(()), None])
def test_anything_but_a_whole_answer_ends_the_measurement(reply: Reply | Chunks | None) -> None:
    with serving(lambda _: reply) as server:
        port = int(server.url.rstrip("/").rpartition(":")[2])
        with (
            closing(Connection(Login("127.0.0.1", port, "secret"))) as connection,
            pytest.raises(Refused),
        ):
            connection.ask("/jobs", b"{}")


def test_results_say_what_was_measured_beside_what_and_what_the_goal_is(tmp_path: Path) -> None:
    cases = [
        Case(
            group="requests",
            name="8 connections, against pgbench",
            value=500,
            unit="1/s",
            baseline=1_000,
            ratios=[0.4, 0.5, 0.6],
        ),
        Case(group="waiting", name="memory", value=92.04, unit="MB", goal="at most 100"),
        Case(group="waiting", name="woken", value=4, unit="ms", ratios=[3, 4, 5]),
    ]
    report = Report(
        taken_at=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        revision="abc1234",
        machine={"cores": "2"},
        versions={"PostgreSQL": "18.6"},
        cases=cases,
    )

    saved, table, plot = save(report, tmp_path)

    text = table.read_text()
    assert "| 8 connections, against pgbench | **0.50** (0.4 to 0.6) | 500 1/s | 1,000 |  |" in text
    assert "| memory |  | **92.04** MB |  | at most 100 |" in text
    assert "| woken |  | **4** (3 to 5) ms |  |  |" in text
    assert all(told in text for told in ("cores: 2", "PostgreSQL: 18.6", "abc1234"))
    assert "pgbench" in plot.read_text()
    assert msgspec.json.decode(saved.read_bytes(), type=Report) == report


def test_part_of_the_cases_can_be_saved(tmp_path: Path) -> None:
    report = Report(
        taken_at=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        revision=None,
        machine={},
        versions={},
        cases=[Case(group="waiting", name="memory", value=9, unit="MB")],
    )

    assert all(path.exists() for path in save(report, tmp_path))
