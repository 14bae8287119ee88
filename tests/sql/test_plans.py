"""What workers call for each datum reads no table whole, whatever its plans were made for."""

from __future__ import annotations

import psycopg
import pytest

from falconeri.db import workers
from falconeri.states import OutputStatus
from falconeri.wire.work import Held, OutputUpdate
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


def whole_reads(conn: psycopg.Connection, table: str) -> int:
    conn.execute("select pg_stat_force_next_flush()")
    return value(
        conn,
        "select seq_scan from pg_stat_user_tables where relid = %s::regclass",
        table_name(table),
    )


def table_name(table: str) -> str:
    return f"falconeri.{table}"
