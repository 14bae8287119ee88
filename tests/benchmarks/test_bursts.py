"""The clients of `./run bench sql`: they do the work they are counted for, between the gates."""

from __future__ import annotations

from dataclasses import replace

import psycopg
import pytest

from benchmarks.queues import bare, ours
from benchmarks.queues.bursts import Clients, PgbenchFailed, make_gates
from benchmarks.queues.measure import Stock, old_snapshot

CONNECTIONS = 3
SESSIONS = "select count(*) from pg_stat_activity where application_name like 'falconeri-bench-%'"


@pytest.fixture
def gates(conn: psycopg.Connection) -> psycopg.Connection:
    make_gates(conn)
    return conn


def counted(conn: psycopg.Connection, query: str) -> int:
    row = conn.execute(query.encode()).fetchone()
    assert row is not None
    return int(row[0])


def test_clients_end_as_many_datums_as_they_are_asked_to(
    gates: psycopg.Connection, database_url: str
) -> None:
    stock = Stock(gates, ours.load(), 100)
    stock.restore()

    with Clients(database_url, stock.queue, CONNECTIONS) as clients:
        took_s = [clients.burst(steps, stock.source) for steps in (5, 2)]

    assert counted(gates, "select count(*) from falconeri.attempts where outcome = 'done'") == 21
    assert counted(gates, "select sum(running) from falconeri.shards") == CONNECTIONS
    assert min(took_s) > 0
    assert counted(gates, SESSIONS) == 0


def test_queue_that_holds_too_few_is_filled_up_between_two_bursts(
    gates: psycopg.Connection, database_url: str
) -> None:
    stock = Stock(gates, ours.load(), 40)
    stock.restore()

    with Clients(database_url, stock.queue, CONNECTIONS) as clients:
        drawn: list[int] = []
        for _ in range(3):
            drawn.append(stock.draw(CONNECTIONS, 1_000, share=0.9))
            clients.burst(drawn[-1], stock.source)

    assert drawn == [11, 11, 11]
    assert counted(gates, "select count(*) from falconeri.attempts") == 3 * CONNECTIONS * 11


def test_statement_that_fails_ends_the_measurement_with_its_message(
    gates: psycopg.Connection, database_url: str
) -> None:
    broken = replace(bare.load(gates), name="broken", step="select 1 / 0;")

    with (
        pytest.raises(PgbenchFailed, match=r"broken: .*division by zero"),
        Clients(database_url, broken, CONNECTIONS) as clients,
    ):
        clients.burst(1, "")

    assert counted(gates, SESSIONS) == 0


def test_old_snapshot_keeps_what_has_died_since(
    gates: psycopg.Connection, database_url: str
) -> None:
    bare.load(gates)
    dead = "select n_dead_tup from pg_stat_get_dead_tuples('bench.bare'::regclass) n_dead_tup"

    with old_snapshot(database_url):
        gates.execute("delete from bench.bare where id <= 10")
        gates.execute("vacuum bench.bare")
        kept = counted(gates, dead)
    gates.execute("vacuum bench.bare")

    assert (kept, counted(gates, dead)) == (10, 0)


def test_two_teams_take_turns(gates: psycopg.Connection, database_url: str) -> None:
    stock = Stock(gates, ours.load(), 100)
    stock.restore()
    idle = bare.load(gates)

    with (
        Clients(database_url, idle, CONNECTIONS, team=1) as others,
        Clients(database_url, stock.queue, CONNECTIONS) as clients,
    ):
        others.burst(4, "")
        clients.burst(2, stock.source)
        others.burst(3, "")

    assert counted(gates, "select sum(v) from bench.bare") == 7 * CONNECTIONS
    assert counted(gates, "select count(*) from falconeri.attempts") == 2 * CONNECTIONS
