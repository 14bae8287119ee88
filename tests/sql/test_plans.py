"""What is called again and again reads no table whole, whatever its plans were made for."""

from __future__ import annotations

import psycopg
import pytest

from falconeri.db import workers
from falconeri.db.jobs import NewJobKey
from falconeri.states import OutputStatus
from falconeri.wire.work import Held, OutputUpdate
from tests.conftest import Connect
from tests.sql.factories import claim, complete, failed, make_job, value
from tests.sql.output_calls import register, settle

TIMES = 8
"""PostgreSQL makes plans for any values after five of a kind."""


@pytest.mark.parametrize("table", ["claims", "shards", "shard_groups", "output_files", "attempts"])
def test_work_on_datums_reads_no_table_whole(conn: psycopg.Connection, table: str) -> None:
    job = make_job(conn, 3 * TIMES, shards=3)
    # With a page or two of everything, reading it all looks cheapest.
    conn.execute("analyze")
    before = whole_reads(conn, table)

    for _ in range(TIMES):
        held = claim(conn, job)
        (file,) = register(conn, held, [f"s3://out/{held.datum_id}"])
        settle(conn, held, [OutputUpdate(id=file.id, status=OutputStatus.DONE)])
        workers.extend_leases(
            conn, job_id=job.job_id, pod_name="pod-1", held=[Held(held.datum_id, held.attempt)]
        )
        complete(conn, held, claim_next=True)
        complete(conn, claim(conn, job), report=failed())

    assert whole_reads(conn, table) == before


def test_hub_reads_no_claims_of_others(conn: psycopg.Connection, connect: Connect) -> None:
    job = make_job(conn, 600)
    claim_by_hub(conn, job)
    conn.execute("analyze")
    for _ in range(TIMES):  # while there is one worker only
        claim_by_hub(conn, job)
    other = connect()
    for number in range(200):
        claim(other, job, f"pod-{number}")
    before = rows_read(other, conn)

    for _ in range(TIMES):
        claim_by_hub(conn, job)

    assert rows_read(other, conn) - before < 20 * TIMES


def test_look_at_leases_reads_what_is_due_and_no_worker_beside(conn: psycopg.Connection) -> None:
    job = make_job(conn, 400)
    for number in range(400):
        claim(conn, job, f"pod-{number}")
    conn.execute("analyze")
    while workers.requeue_expired(conn, limit=30).looked:
        pass
    conn.execute("update falconeri.workers set lease_check_at = default where pod_name = 'pod-6'")
    before = rows_read(conn)

    for _ in range(TIMES):
        workers.requeue_expired(conn, limit=30)

    assert 0 < rows_read(conn) - before < 10 * TIMES


def claim_by_hub(conn: psycopg.Connection, job: NewJobKey) -> None:
    conn.execute("select * from falconeri.claim_datums(%s, '{hub}', '{node}')", (job.job_id,))


def rows_read(*conns: psycopg.Connection) -> int:
    """Of claims and workers, by indexes and without, by all of these connections."""
    for conn in conns:
        conn.execute("select pg_stat_force_next_flush()")
    return value(
        conns[0],
        "select sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint"
        " from pg_stat_user_tables where relname in ('claims', 'workers')",
    )


def whole_reads(conn: psycopg.Connection, table: str) -> int:
    conn.execute("select pg_stat_force_next_flush()")
    return value(
        conn,
        "select seq_scan from pg_stat_user_tables where relid = %s::regclass",
        table_name(table),
    )


def table_name(table: str) -> str:
    return f"falconeri.{table}"
