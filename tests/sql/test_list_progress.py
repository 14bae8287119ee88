"""What the watchers of jobs are told, in one call for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid4

import psycopg

from falconeri.db import controls, jobs, waiting
from falconeri.db.waiting import JobNews
from falconeri.states import JobStatus
from tests.conftest import Connect
from tests.sql.factories import claim, complete, failed, make_job, set_clock


def news(database_url: str, job_ids: Sequence[UUID], role: str | None = None) -> list[JobNews]:
    async def ask() -> list[JobNews]:
        async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as conn:
            if role:
                await conn.execute(f"set role {role}".encode())
            return await waiting.list_progress(conn, job_ids=job_ids)

    return asyncio.run(ask())


def stop_clocks(conn: psycopg.Connection, connect: Connect, time: str) -> None:
    """Let it be this time for all who connect from now on."""
    now = f"alter database {conn.info.dbname} set falconeri.now = '2100-01-01T{time}+00'"
    connect().execute(now.encode())


def test_jobs_are_told_with_their_states_and_counts(
    conn: psycopg.Connection, database_url: str
) -> None:
    first, second, _other = (make_job(conn, 4, max_tries=1, parallelism=7) for _ in range(3))
    complete(conn, claim(conn, first))
    complete(conn, claim(conn, first), report=failed())
    claim(conn, first)
    controls.pause_job(conn, job_id=first.job_id)
    jobs.cancel_job(conn, job_id=second.job_id)

    found = {each.state.job_id: each for each in news(database_url, [first.job_id, second.job_id])}

    assert set(found) == {first.job_id, second.job_id}
    state, progress = found[first.job_id].state, found[first.job_id].progress
    assert (state.status, state.paused, state.parallelism) == (JobStatus.RUNNING, True, 7)
    assert state.error_message is None
    assert (progress.total, progress.ready, progress.running) == (4, 1, 1)
    assert (progress.done, progress.error, progress.failed_attempts) == (1, 1, 1)
    ended = found[second.job_id]
    assert (ended.state.status, ended.progress.status) == (JobStatus.CANCELED,) * 2
    assert ended.progress.canceled == 4
    assert ended.state.job_name == jobs.describe_job(conn, job_id=second.job_id).job_name


def test_rate_and_expected_end_are_those_of_the_report(
    conn: psycopg.Connection, connect: Connect, database_url: str
) -> None:
    job = make_job(conn, 30)
    set_clock(conn, "09:00:00")
    held = [claim(conn, job, slot=i) for i in range(20)]
    set_clock(conn, "09:00:10")
    for each in held:
        complete(conn, each)
    stop_clocks(conn, connect, "09:00:20")

    [found] = news(database_url, [job.job_id])

    assert found.progress.datums_per_s == 1.0
    end = datetime(2100, 1, 1, 9, 0, 30, tzinfo=UTC).replace(tzinfo=None)
    assert found.progress.expected_at == end


def test_rate_is_the_recent_one_if_there_is_any(
    conn: psycopg.Connection, connect: Connect, database_url: str
) -> None:
    job = make_job(conn, 30)
    set_clock(conn, "09:00:00")
    held = [claim(conn, job, slot=i) for i in range(20)]
    for each in held[:10]:
        complete(conn, each)
    set_clock(conn, "10:00:00")
    jobs.sample_progress(conn)
    for each in held[10:]:
        complete(conn, each)
    stop_clocks(conn, connect, "10:00:50")

    [found] = news(database_url, [job.job_id])

    assert found.progress.datums_per_s == 10 / 50


def test_job_that_there_is_not_is_left_out(conn: psycopg.Connection, database_url: str) -> None:
    make_job(conn, 1)

    assert news(database_url, [uuid4()]) == []


def test_server_may_ask(conn: psycopg.Connection, database_url: str) -> None:
    job = make_job(conn, 1)

    assert len(news(database_url, [job.job_id], "falconeri_server")) == 1
