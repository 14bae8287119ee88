"""Jobs: begin, look, end. Source: sql/functions/job/."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast
from uuid import UUID

from msgspec import Struct
from psycopg.types.json import Jsonb

from falconeri.db.copying import bigint, copy_numbered
from falconeri.db.rows import record
from falconeri.wire.records import Job, JobsPage, Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from psycopg import Connection, Cursor

    from falconeri.states import JobStatus

LEASE_S = 60
"""How long a claim of our workers lasts without a heartbeat; they send three in that time."""


class NewJobKey(NamedTuple):
    """A job just begun: its key in the tables and its public id."""

    job_no: int
    job_id: UUID


class RunningJob(Struct, frozen=True):
    """A running job with all that is needed to make its workers."""

    job_id: UUID
    job_name: str
    pipeline_spec: dict[str, Any]
    parallelism: int


class OverdueJob(Struct, frozen=True):
    """A running job whose `job_timeout` is over."""

    job_id: UUID
    timeout_s: int


class WorkCounts(Struct, frozen=True):
    """What all running jobs have before them."""

    running_jobs: int
    ready_datums: int
    running_datums: int


def create_job(
    conn: Connection,
    *,
    pipeline_name: str,
    pipeline_spec: dict[str, Any],
    command: list[str],
    egress_uri: str,
    parallelism: int,
    max_tries: int,
    timeout_s: int | None,
    lease_s: int = LEASE_S,
    retry_delay_s: int = 0,
    memory: Sequence[str] = (),
) -> NewJobKey:
    """Begin a job; its datums and `start_job` follow in the same transaction.

    Args:
        retry_delay_s: How long a datum waits after its first failure; doubled by each further one.
        memory: Of the workers, the least first: what runs out of it is tried with the next; empty:
            as the spec says, and no more.

    Raises:
        InvalidInput: A name, command or number that the table refuses.
    """
    row = conn.execute(
        """
        select job_no, job_id from falconeri.create_job(
          %s, %s, %s, %s, %s::integer, %s::integer, %s::integer, %s::integer, %s::integer,
          %s::text[]
        )
        """,
        (
            pipeline_name,
            Jsonb(pipeline_spec),
            command,
            egress_uri,
            parallelism,
            max_tries,
            timeout_s,
            lease_s,
            retry_delay_s,
            list(memory),
        ),
    ).fetchone()
    return NewJobKey(*cast("tuple[int, UUID]", row))


def copy_datums(conn: Connection, *, job_no: int, datums: Iterable[bytes], after: int = 0) -> int:
    """Stream datums of a new job into the database; return how many.

    Args:
        datums: Of each the JSON of its inputs: `[{"uri": …, "local_path": …}, …]`.
        after: How many the job has already; these get the next numbers.
    """
    return copy_numbered(
        conn,
        "copy falconeri.datum_chunks (job_no, first_seq, inputs) from stdin (format binary)",
        keys=[bigint(job_no)],
        datums=datums,
        after=after,
    )


def start_job(conn: Connection, *, job_no: int, datum_count: int | None = None) -> None:
    """Open a new job for work. A job without datums is done at once.

    Args:
        datum_count: How many were written; None: they are counted, which reads all of them.

    Raises:
        InvalidInput: ZF009, HTTP 422: the datums are not numbered from 1 without gaps.
    """
    conn.execute("select falconeri.start_job(%s, %s::bigint)", (job_no, datum_count))


def cancel_job(conn: Connection, *, job_id: UUID) -> None:
    """End a job at its operator's wish; a repeat is fine.

    Raises:
        JobNotFound: ZF001, HTTP 404.
        JobNotRunning: ZF004, HTTP 409: it ended otherwise.
    """
    conn.execute("select falconeri.cancel_job(%s)", (job_id,))


def retry_job(
    conn: Connection,
    *,
    job_id: UUID,
    matching: str | None = None,
    parallelism: int | None = None,
    max_tries: int | None = None,
) -> UUID:
    """Make a new job of the datums that an ended job did not finish; return its id.

    Args:
        matching: Only those whose latest failure has this in its message, as it stands.
        parallelism: How many workers; None: as before.
        max_tries: How often each may fail; None: as before.

    Raises:
        JobNotFound: ZF001, HTTP 404.
        JobNotRetryable: ZF007, HTTP 409: it runs, is done, or no datum matches.
        InvalidInput: A number that the table refuses.
    """
    row = conn.execute(
        "select falconeri.retry_job(%s, %s, %s::integer, %s::integer)",
        (job_id, matching, parallelism, max_tries),
    ).fetchone()
    return cast("tuple[UUID]", row)[0]


def fail_vanished_job(conn: Connection, *, job_id: UUID, reason: str) -> bool:
    """End a job whose workers are gone for good; return whether it was running.

    Raises:
        JobNotFound: ZF001, HTTP 404.
    """
    row = conn.execute("select falconeri.fail_vanished_job(%s, %s)", (job_id, reason)).fetchone()
    return cast("tuple[bool]", row)[0]


def find_job(conn: Connection, *, job_name: str) -> UUID:
    """The id of the job with this name.

    Raises:
        JobNotFound: ZF001, HTTP 404.
    """
    row = conn.execute("select falconeri.find_job(%s)", (job_name,)).fetchone()
    return cast("tuple[UUID]", row)[0]


def describe_job(conn: Connection, *, job_id: UUID) -> Job:
    """All about one job but its datums.

    Raises:
        JobNotFound: ZF001, HTTP 404.
    """
    with conn.cursor(row_factory=record(Job)) as cursor:
        cursor.execute("select * from falconeri.describe_job(%s)", (job_id,))
        return cast("Job", cursor.fetchone())


def list_jobs(
    conn: Connection,
    *,
    status: JobStatus | None = None,
    name: str | None = None,
    after: UUID | None = None,
    limit: int | None = None,
) -> JobsPage:
    """A page of the jobs, newest first; `after` is set unless it is empty.

    Args:
        status: Only these; None: all.
        name: Only those whose name begins so; None: all.
        after: That of the page before, whose last job may be deleted by now; None: from the newest.
        limit: At most so many; None: all.

    Raises:
        InvalidInput: ZF009, HTTP 422: `after` is not from a page of jobs.
    """
    with conn.cursor(row_factory=_job_and_cursor) as cursor:
        cursor.execute(
            "select * from falconeri.list_jobs(%s, %s::text, %s::uuid, %s::integer)",
            (status, name, after, limit),
        )
        found = cursor.fetchall()
    return JobsPage(
        jobs=[job for job, _ in found], after=next((cursor_id for _, cursor_id in found[-1:]), None)
    )


def _job_and_cursor(cursor: Cursor[Any]) -> Callable[[Sequence[Any]], tuple[Job, UUID]]:
    """A row factory: each job with the place in the list that comes after it."""
    make_job = record(Job)(cursor)
    return lambda values: (make_job(values), values[-1])


def job_progress(conn: Connection, *, job_id: UUID) -> Progress:
    """The counts of a job's datums by status; the cost doesn't depend on how many there are.

    Raises:
        JobNotFound: ZF001, HTTP 404.
    """
    with conn.cursor(row_factory=record(Progress)) as cursor:
        cursor.execute("select * from falconeri.job_progress(%s)", (job_id,))
        return cast("Progress", cursor.fetchone())


def watch_job(conn: Connection, *, job_id: UUID) -> None:
    """Ask that a notification tells when work of a job becomes ready; then look once more.

    Raises:
        JobNotFound: ZF001, HTTP 404.
    """
    conn.execute("select falconeri.watch_job(%s)", (job_id,))


def list_running_jobs(conn: Connection) -> list[RunningJob]:
    """The running jobs, oldest first."""
    with conn.cursor(row_factory=record(RunningJob)) as cursor:
        return cursor.execute("select * from falconeri.list_running_jobs()").fetchall()


def list_overdue_jobs(conn: Connection) -> list[OverdueJob]:
    """The running jobs whose `job_timeout` is over."""
    with conn.cursor(row_factory=record(OverdueJob)) as cursor:
        return cursor.execute("select * from falconeri.list_overdue_jobs()").fetchall()


def count_work(conn: Connection) -> WorkCounts:
    """What all running jobs have before them; the cost doesn't depend on how many datums."""
    with conn.cursor(row_factory=record(WorkCounts)) as cursor:
        cursor.execute("select * from falconeri.count_work()")
        return cast("WorkCounts", cursor.fetchone())


def sample_progress(conn: Connection) -> int:
    """Note how far each running job is, once in each quarter of a minute; how many it has noted.

    To be called as often; a repeat is fine.
    """
    row = conn.execute("select falconeri.sample_progress()").fetchone()
    return cast("tuple[int]", row)[0]
