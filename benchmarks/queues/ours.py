"""Falconeri's own queue: one call ends a datum and takes the next, its inputs included.

It asks for all that `falconeri.db.datums` asks for, and reports what a worker reports of a success.
A `busy` answer (the rows of all shards were locked at that instant) is no step: the client asks
again, and the time counts.
"""

from __future__ import annotations

from uuid import UUID

import falconeri
from benchmarks.queues.queue import Conn, Queue, payload
from falconeri.db import jobs

_CLAIM = """
select verdict, datum_id, coalesce(attempt, 0) as attempt, inputs from falconeri.claim_datum(
  :source::uuid, :source || :client_id, 'node', true, 0::smallint
) \\gset got_
"""
_STEP = f"""
\\if :got_attempt = 0
\\set done 0
{_CLAIM}
\\else
select verdict, datum_id, coalesce(attempt, 0) as attempt, inputs from falconeri.complete_and_claim(
  :got_datum_id::uuid, :source || :client_id, :got_attempt,
  row('done', null, 'some output', null, null, 0, null, 1, 2, 0.1, 1000)::falconeri.report, true
) \\gset got_
\\endif
"""  # noqa: S608 - made of constants


def load() -> Queue:
    """Return the queue of a migrated database."""
    return Queue(
        name="ours",
        version=falconeri.__version__,
        claim=_CLAIM,
        step=_STEP,
        clear=clear,
        fill=_fill,
        vacuum=_vacuum,
        jobs=True,
    )


def make_job(conn: Conn, datums: list[bytes]) -> UUID:
    """Create and start a job of datums with these inputs, as falconerid does; return its id."""
    with conn.transaction():
        key = jobs.create_job(
            conn,
            pipeline_name="bench",
            pipeline_spec={},
            command=["true"],
            egress_uri="s3://bucket/out/",
            parallelism=0,
            max_tries=1,
            timeout_s=None,
        )
        count = jobs.copy_datums(conn, job_no=key.job_no, datums=datums)
        jobs.start_job(conn, job_no=key.job_no, datum_count=count)
    return key.job_id


def clear(conn: Conn) -> None:
    """Delete all jobs at once."""
    conn.execute(
        "truncate falconeri.jobs, falconeri.datum_chunks, falconeri.attempts, falconeri.requeue"
        " cascade"
    )


def _fill(conn: Conn, depth: int) -> str:
    return str(make_job(conn, [payload(number) for number in range(depth)]))


def _vacuum(conn: Conn) -> None:
    conn.execute(
        """
        vacuum analyze falconeri.jobs, falconeri.shards, falconeri.datum_chunks,
          falconeri.workers,
          falconeri.claims, falconeri.attempts
        """
    )
