"""Jobs, claims and reports for tests of the SQL functions, through the wrappers of falconeri.db."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
import pytest

from falconeri.db import datums, jobs, workers
from falconeri.db.jobs import NewJobKey
from falconeri.db.pool import translated
from falconeri.errors import FalconeriError
from falconeri.states import AttemptOutcome, FailureClass
from falconeri.wire.records import Datum, Progress
from falconeri.wire.work import Claim, Report, WorkAnswer

DONE = Report(outcome=AttemptOutcome.DONE, output="all well")


def failed(failure_class: FailureClass = FailureClass.COMMAND) -> Report:
    """The report of an attempt that failed for this reason."""
    return Report(
        outcome=AttemptOutcome.ERROR,
        failure_class=failure_class,
        output="before the crash",
        error_message=f"failed: {failure_class}",
        backtrace="at line 1",
    )


def make_job(
    conn: psycopg.Connection,
    count: int = 3,
    *,
    name: str = "words",
    shards: int | None = 1,
    max_tries: int = 2,
    max_losses: int | None = None,
    parallelism: int = 4,
    lease_s: int = 60,
    timeout_s: int | None = None,
    egress_uri: str = "s3://out/",
    retry_delay_s: int = 0,
    inputs: Callable[[int], bytes] | None = None,
    memory: Sequence[str] = (),
) -> NewJobKey:
    """A running job of `count` datums, each with one input file.

    Args:
        shards: Of 250 datums and more always as many as `start_job` makes; None: of fewer, too.
    """
    with conn.transaction():
        job = jobs.create_job(
            conn,
            pipeline_name=name,
            pipeline_spec={"pipeline": {"name": name}},
            command=["sh", "-c", "true"],
            egress_uri=egress_uri,
            parallelism=parallelism,
            max_tries=max_tries,
            timeout_s=timeout_s,
            lease_s=lease_s,
            retry_delay_s=retry_delay_s,
            memory=memory,
        )
        rows = map(inputs or inputs_json, range(1, count + 1))
        jobs.copy_datums(conn, job_no=job.job_no, datums=rows)
        jobs.start_job(conn, job_no=job.job_no)
        if shards is not None and 0 < count < 250:
            _cut(conn, job.job_no, count, shards)
        if max_losses is not None:
            conn.execute(
                "update falconeri.shards set max_losses = %s where job_no = %s",
                (max_losses, job.job_no),
            )
    return job


def inputs_json(number: int) -> bytes:
    """The inputs of the datum with this number."""
    return json.dumps([{"uri": f"s3://in/{number}", "local_path": f"/pfs/in/{number}"}]).encode()


def _cut(conn: psycopg.Connection, job_no: int, count: int, shards: int) -> None:
    """Cut a job into other shards than start_job does of so few datums."""
    conn.execute("delete from falconeri.shards where job_no = %s and shard > 0", (job_no,))
    conn.execute(
        """
        with old as (delete from falconeri.shards where job_no = %(job_no)s returning *)
        insert into falconeri.shards (
          job_no, shard, first_seq, next_seq, last_seq, ahead_seq, open, max_tries, max_losses
        )
        select old.job_no, i, r.first_seq, r.first_seq, r.last_seq, r.last_seq,
          r.last_seq - r.first_seq + 1, old.max_tries, old.max_losses
        from old, generate_series(0, %(shards)s - 1) i,
          lateral (
            select %(count)s * i / %(shards)s + 1 as first_seq,
              %(count)s * (i + 1) / %(shards)s as last_seq
          ) r
        """,
        {"job_no": job_no, "count": count, "shards": shards},
    )
    conn.execute("delete from falconeri.shard_groups where job_no = %s", (job_no,))
    conn.execute(
        """
        with groups as (
          insert into falconeri.shard_groups (job_no, shard_group, open_shards)
          select s.job_no, falconeri._shard_group(s.shard), count(*)
          from falconeri.shards s where s.job_no = %(job_no)s group by 1, 2 returning 1
        )
        update falconeri.jobs set
          shard_count = %(shards)s, open_groups = (select count(*) from groups)
        where job_no = %(job_no)s
        """,
        {"job_no": job_no, "shards": shards},
    )


def ask(
    conn: psycopg.Connection,
    job: NewJobKey,
    pod: str = "pod-1",
    *,
    leased: bool = True,
    slot: int = 0,
    ahead: bool = False,
) -> WorkAnswer:
    """What a pod is told that asks for work."""
    return datums.claim_datum(
        conn,
        job_id=job.job_id,
        pod_name=pod,
        node_name="node-1",
        leased=leased,
        slot=slot,
        ahead=ahead,
    )


def claim(
    conn: psycopg.Connection,
    job: NewJobKey,
    pod: str = "pod-1",
    *,
    leased: bool = True,
    slot: int = 0,
) -> Claim:
    """A datum in a pod's hands."""
    answer = ask(conn, job, pod, leased=leased, slot=slot)
    assert answer.claim is not None, answer
    return answer.claim


def complete(
    conn: psycopg.Connection,
    held: Claim,
    pod: str = "pod-1",
    report: Report = DONE,
    *,
    claim_next: bool = False,
    ahead: bool = False,
) -> WorkAnswer:
    """The answer to the end of an attempt."""
    return datums.complete_and_claim(
        conn,
        datum_id=held.datum_id,
        pod_name=pod,
        attempt=held.attempt,
        report=report,
        claim_next=claim_next,
        ahead=ahead,
    )


def lose(
    conn: psycopg.Connection,
    job: NewJobKey,
    pod: str = "pod-1",
    failure_class: FailureClass = FailureClass.LOST_WORKER,
    message: str = "gone",
) -> int:
    """Say that a worker is no more; how many datums it held."""
    return workers.requeue_lost(
        conn, job_id=job.job_id, pod_name=pod, failure_class=failure_class, message=message
    )


def progress(conn: psycopg.Connection, job: NewJobKey) -> Progress:
    """The counters of a job."""
    return jobs.job_progress(conn, job_id=job.job_id)


def datum(conn: psycopg.Connection, datum_id: UUID) -> Datum:
    """The state of a datum."""
    return datums.describe_datum(conn, datum_id=datum_id)


def datum_id(conn: psycopg.Connection, job: NewJobKey, number: int) -> UUID:
    """The public id of a job's datum."""
    return value(conn, "select falconeri._datum_id(%s, %s)", job.job_no, number)


def value(conn: psycopg.Connection, query: str, *args: object) -> Any:  # noqa: ANN401 - any column
    """The one value that a query returns."""
    row = conn.execute(query.encode(), args).fetchone()
    assert row is not None
    return row[0]


def set_now(conn: psycopg.Connection, *, in_s: float) -> None:
    """Let time be so many seconds from now, for this connection and for ever."""
    conn.execute(
        """
        select set_config(
          'falconeri.now', (clock_timestamp() + make_interval(secs => %s))::text, false
        )
        """,
        (in_s,),
    )


def set_clock(conn: psycopg.Connection, time: str) -> None:
    """Stop this connection's clock at a time of some day to come."""
    conn.execute("select set_config('falconeri.now', %s, false)", (f"2100-01-01T{time}+00",))


def deferred(conn: psycopg.Connection, job: NewJobKey) -> list[str]:
    """The names of the background tasks asked for on behalf of a job, in order."""
    rows = conn.execute(
        """
        select task_name from procrastinate.procrastinate_jobs
        where args ->> 'job_id' = %s order by id
        """,
        (str(job.job_id),),
    )
    return [row[0] for row in rows]


@contextmanager
def refused(with_error: type[FalconeriError]) -> Generator[None]:
    """Expect an error of ours, and that its message names nobody: logs group by it."""
    with pytest.raises(psycopg.Error) as caught:
        yield
    error = translated(caught.value)
    assert type(error) is with_error, f"{caught.value.sqlstate}: {caught.value}"
    assert not re.search("[0-9a-f]{8}-", error.message)
