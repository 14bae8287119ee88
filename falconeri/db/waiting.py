"""The few functions that the hub calls, on its own asynchronous connection.

Source: sql/functions/datum/claim_datums.sql, sql/functions/worker/list_holding.sql, and in
sql/functions/job watch_job.sql, job_progress.sql and list_progress.sql.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, cast
from uuid import UUID

import psycopg

from falconeri.db.datums import Work
from falconeri.db.pool import translated
from falconeri.db.rows import record
from falconeri.errors import BY_SQLSTATE
from falconeri.states import Verdict
from falconeri.wire.codec import convert
from falconeri.wire.events import JobProgress, JobState
from falconeri.wire.records import Progress

if TYPE_CHECKING:
    from psycopg import AsyncConnection

    from falconeri.wire.work import WorkAnswer, WorkerIdentity


class _PodWork(Work, frozen=True):
    """A row of claim_datums."""

    pod_name: str | None
    slot: int | None


@dataclass(frozen=True)
class HandedOut:
    """Who got a datum, and why not all did: `stopped_by` is None if everybody got one."""

    claimed: list[tuple[str, WorkAnswer]]
    stopped_by: Verdict | None

    def __iter__(self) -> Iterator[tuple[str, WorkAnswer]]:
        return iter(self.claimed)


@dataclass(frozen=True)
class JobNews:
    """How a job is, in the two parts that its watchers are told."""

    state: JobState
    progress: JobProgress


class _ProgressRow(Progress, frozen=True):
    """A row of list_progress."""

    paused: bool
    parallelism: int
    error_message: str | None
    datums_per_s: float | None
    expected_at: datetime | None

    def news(self) -> JobNews:
        return JobNews(
            state=convert(self, JobState),
            progress=convert(self, JobProgress),
        )


async def claim_datums(
    conn: AsyncConnection,
    *,
    job_id: UUID,
    who: Sequence[WorkerIdentity],
    slots: Sequence[int] | None = None,
) -> HandedOut:
    """Claim a datum for each of these waiting pods, in this order, as far as there are any.

    Args:
        slots: Which slot of each, for pods that hold several datums; None: slot 0.

    Raises:
        JobNotFound: ZF001, HTTP 404.
        psycopg.OperationalError: The connection is lost.
    """
    async with conn.cursor(row_factory=record(_PodWork)) as cursor:
        with _translating():
            await cursor.execute(
                "select * from falconeri.claim_datums(%s, %s::text[], %s::text[], %s::smallint[])",
                (
                    job_id,
                    [w.pod_name for w in who],
                    [w.node_name for w in who],
                    list(slots) if slots is not None else None,
                ),
            )
        rows = await cursor.fetchall()
    claimed = [(row.pod_name, row.answer()) for row in rows if row.pod_name and row.datum_id]
    last = rows[-1].verdict if rows else None
    return HandedOut(claimed, None if last is Verdict.CLAIMED else last)


async def list_holding(
    conn: AsyncConnection, *, job_id: UUID, pod_names: Sequence[str]
) -> list[str]:
    """Those of these pods that hold something of a job: `claim_datums` gives it to them again."""
    cursor = await conn.execute(
        "select pod_name from falconeri.list_holding(%s, %s::text[])", (job_id, list(pod_names))
    )
    return [cast("str", pod_name) for (pod_name,) in await cursor.fetchall()]


async def watch_job(conn: AsyncConnection, *, job_id: UUID) -> None:
    """Ask to be notified when work of a job becomes ready; then look once more.

    Raises:
        JobNotFound: ZF001, HTTP 404.
    """
    with _translating():
        await conn.execute("select falconeri.watch_job(%s)", (job_id,))


async def job_progress(conn: AsyncConnection, *, job_id: UUID) -> Progress:
    """The counts of a job's datums by status.

    Raises:
        JobNotFound: ZF001, HTTP 404.
    """
    async with conn.cursor(row_factory=record(Progress)) as cursor:
        with _translating():
            await cursor.execute("select * from falconeri.job_progress(%s)", (job_id,))
        return cast("Progress", await cursor.fetchone())


async def list_progress(conn: AsyncConnection, *, job_ids: Sequence[UUID]) -> list[JobNews]:
    """How far these jobs are and how fast; of those that there are."""
    async with conn.cursor(row_factory=record(_ProgressRow)) as cursor:
        await cursor.execute("select * from falconeri.list_progress(%s::uuid[])", (list(job_ids),))
        return [row.news() for row in await cursor.fetchall()]


@contextmanager
def _translating() -> Generator[None]:
    """Turn what a function of ours raised into our error; lost connections are the hub's."""
    try:
        yield
    except psycopg.Error as ex:
        if ex.sqlstate in BY_SQLSTATE:
            raise translated(ex) from ex
        raise
