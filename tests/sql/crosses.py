"""New jobs and the factors of their crosses, for tests; a datum is told by its local paths."""

from __future__ import annotations

from collections.abc import Iterable

import psycopg

from falconeri.db import jobs, plans
from falconeri.db.jobs import NewJobKey
from falconeri.wire import codec
from falconeri.wire.work import InputRef

Paths = tuple[str, ...]
"""The local paths of a datum's inputs, in their order."""


def begin(conn: psycopg.Connection) -> NewJobKey:
    """A job without datums so far; the caller has a transaction."""
    return jobs.create_job(
        conn,
        pipeline_name="cross",
        pipeline_spec={},
        command=["true"],
        egress_uri="s3://out/",
        parallelism=1,
        max_tries=1,
        timeout_s=None,
    )


def encoded(datums: Iterable[Paths]) -> Iterable[bytes]:
    """The lines of datums, each input with a URI that ends with its path."""
    return (codec.encode([InputRef(f"s3://in{path}", path) for path in paths]) for paths in datums)


def stage(conn: psycopg.Connection, job: NewJobKey, factor: int, *paths: str) -> None:
    """A factor of datums with one input each."""
    plans.copy_factor(
        conn, job_no=job.job_no, factor=factor, datums=encoded((path,) for path in paths)
    )


def made(conn: psycopg.Connection, job: NewJobKey) -> list[Paths]:
    """The datums of a job in their order, which has no gaps."""
    rows = conn.execute(
        """
        select d.seq, jsonb_path_query_array(falconeri._inputs(d.job_no, d.seq), '$[*].local_path')
        from falconeri.jobs j, lateral (
          select j.job_no, generate_series(1, falconeri._last_datum(j.job_no)) as seq
        ) d
        where j.job_no = %s order by d.seq
        """,
        (job.job_no,),
    ).fetchall()
    assert [row[0] for row in rows] == list(range(1, len(rows) + 1))
    return [tuple(row[1]) for row in rows]


def staged(conn: psycopg.Connection) -> int:
    """How many rows there are of any factor of any job."""
    row = conn.execute("select count(*) from falconeri.factors").fetchone()
    assert row is not None
    return row[0]
