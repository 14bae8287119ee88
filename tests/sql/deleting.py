"""Jobs to delete, and what is left of them."""

import psycopg

from falconeri.db import controls, jobs, workers
from falconeri.db.jobs import NewJobKey
from falconeri.states import OutputStatus
from falconeri.wire.work import OutputUpdate
from tests.sql.factories import claim, complete, failed, make_job, value
from tests.sql.output_calls import A, register, settle


def rows_left(conn: psycopg.Connection) -> dict[str, int]:
    """How many rows each table has, of those that have any."""
    tables = conn.execute(
        """
        select relname from pg_class
        where relnamespace = 'falconeri'::regnamespace and relkind = 'r'
          and relname !~ '^_?yoyo' and relname <> 'applied_code'
        """
    ).fetchall()
    counts = {
        table: value(conn, f"select count(*) from falconeri.{table}")  # noqa: S608 - our own names
        for (table,) in tables
    }
    return {table: count for table, count in counts.items() if count}


def datums_left(conn: psycopg.Connection) -> int:
    return value(conn, "select datum_count from falconeri.jobs")


def delete(conn: psycopg.Connection, job: NewJobKey, limit: int = 100) -> bool:
    return controls.delete_job(conn, job_id=job.job_id, limit=limit)


def delete_old(conn: psycopg.Connection, older_than_s: int | None, limit: int = 100) -> bool:
    return controls.delete_old_jobs(conn, older_than_s=older_than_s, limit=limit)


def make_used_job(conn: psycopg.Connection) -> NewJobKey:
    """A canceled job of five datums with something in every table that an ended job has rows in."""
    job = make_job(conn, 5, shards=2)
    done = claim(conn, job, "pod-1")
    (file,) = register(conn, done, [A])
    settle(conn, done, [OutputUpdate(id=file.id, status=OutputStatus.DONE)])
    complete(conn, done, "pod-1")
    complete(conn, claim(conn, job, "pod-2"), "pod-2", failed())
    claim(conn, job, "pod-3")
    workers.extend_leases(conn, job_id=job.job_id, pod_name="pod-3", held=[])
    jobs.sample_progress(conn)
    jobs.cancel_job(conn, job_id=job.job_id)
    return job
