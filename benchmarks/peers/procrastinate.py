"""procrastinate, as installed in the venv: its schema.sql, and two statements of its queries.sql.

A step is what `procrastinate.worker.Worker` does for each job of a queue without locks:
`finish_job` (status `succeeded`; the row stays, as `delete_jobs=never` has it, and triggers keep a
history in `procrastinate_events`), then `fetch_job` for all queues. psycopg prepares both from
their fifth execution on, so pgbench does from the first.

Left out, in its favour: the BEGIN and COMMIT that its pool sends around each statement, the pool's
check of the connection, heartbeats, and listening.

Waiting items are rows in the state in which `defer_jobs` leaves them, with their event, written
without firing the triggers that would notify a listener of each.
"""

from __future__ import annotations

from importlib.metadata import version
from importlib.resources import files

from procrastinate.sql import queries

from benchmarks.queues.queue import Conn, Queue


def load(conn: Conn) -> Queue:
    """Install it into a schema of its own, beside the one that Falconeri uses; return its queue."""
    schema = files("procrastinate").joinpath("sql", "schema.sql").read_bytes()
    conn.execute("create schema bench_procrastinate")
    with conn.transaction():
        conn.execute("set local search_path = bench_procrastinate")
        conn.execute(schema)
    conn.execute(
        "insert into bench_procrastinate.procrastinate_workers select from generate_series(1, 1000)"
    )
    claim = queries["fetch_job"] % {"queues": "null", "worker_id": ":client_id + 1"}
    finish = queries["finish_job"] % {
        "job_id": ":got_id",
        "status": "'succeeded'",
        "delete_job": "false",
    }
    claim = f"{claim.strip()} \\gset got_\n"
    return Queue(
        name="procrastinate",
        version=version("procrastinate"),
        claim=claim,
        step=f"{finish.strip()}\n{claim}",
        clear=_clear,
        fill=_fill,
        vacuum=_vacuum,
        search_path="bench_procrastinate",
    )


def _clear(conn: Conn) -> None:
    conn.execute(
        """
        truncate bench_procrastinate.procrastinate_jobs, bench_procrastinate.procrastinate_events,
          bench_procrastinate.procrastinate_periodic_defers
        """
    )


def _fill(conn: Conn, depth: int) -> str:
    with conn.transaction():
        conn.execute("set local search_path = bench_procrastinate")
        conn.execute("set local session_replication_role = replica")  # no triggers
        conn.execute(
            """
            with jobs as (
              insert into procrastinate_jobs (queue_name, task_name, args)
              select 'default', 'bench', bench.payload(i) from generate_series(1, %s) i
              returning id
            )
            insert into procrastinate_events (job_id, type) select id, 'deferred' from jobs
            """,
            (depth,),
        )
    return ""


def _vacuum(conn: Conn) -> None:
    conn.execute(
        """
        vacuum analyze bench_procrastinate.procrastinate_jobs,
          bench_procrastinate.procrastinate_events
        """
    )
