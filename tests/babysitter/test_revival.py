"""What becomes of tasks that were cut off, or have failed, with a real database."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from unittest.mock import patch

import procrastinate
import psycopg
import pytest

from falconeri.babysitter import revival, tasks
from tests.babysitter.test_passes import Babysitter, babysitter, cluster

__all__ = ["babysitter", "cluster"]

MADE = """
insert into procrastinate_jobs (queue_name, task_name, status, lock, queueing_lock)
values ('falconeri', %s, %s::procrastinate_job_status, %s, %s)
returning id
"""
LEFT = "select id, status::text from procrastinate_jobs order by id"


@pytest.fixture
def queue(conn: psycopg.Connection) -> psycopg.Connection:
    """A connection to procrastinate's tables, whose triggers name none with its schema."""
    conn.execute("set search_path = procrastinate")
    return conn


def make_task(
    queue: psycopg.Connection,
    name: str,
    status: str,
    *,
    lock: str,
    queueing_lock: str | None = None,
) -> int:
    row = queue.execute(MADE, (name, status, lock, queueing_lock)).fetchone()
    assert row is not None
    return row[0]


def with_app(
    url: str, babysitter: Babysitter, work: Callable[[procrastinate.App], Awaitable[None]]
) -> None:
    async def run() -> None:
        app = tasks.make_tasks(url, babysitter)
        async with app.open_async():
            await work(app)

    asyncio.run(run())


def test_task_that_was_cut_off_runs_again(
    queue: psycopg.Connection, database_url: str, babysitter: Babysitter
) -> None:
    cut_off = make_task(queue, "start_workers", "doing", lock="workers:1")

    with_app(database_url, babysitter, revival.revive)

    assert queue.execute(LEFT).fetchall() == [(cut_off, "todo")]


def test_periodic_task_that_was_cut_off_gives_way_to_the_next_one(
    queue: psycopg.Connection, database_url: str, babysitter: Babysitter
) -> None:
    make_task(queue, "look_around", "doing", lock="look_around", queueing_lock="look_around")
    waiting = make_task(
        queue, "look_around", "todo", lock="look_around", queueing_lock="look_around"
    )
    last = make_task(queue, "start_workers", "doing", lock="workers:1")

    with_app(database_url, babysitter, revival.revive)

    assert queue.execute(LEFT).fetchall() == [(waiting, "todo"), (last, "todo")]


def test_task_that_another_replica_has_revived_is_left_alone(
    queue: psycopg.Connection, database_url: str, babysitter: Babysitter
) -> None:
    make_task(queue, "look_around", "doing", lock="look_around", queueing_lock="look_around")
    make_task(queue, "start_workers", "doing", lock="workers:1")
    last = make_task(queue, "start_workers", "doing", lock="workers:2")

    async def revive_late(app: procrastinate.App) -> None:
        found = await app.job_manager.get_stalled_jobs()
        queue.execute("delete from procrastinate_jobs where id <> %s", (last,))
        with patch.object(app.job_manager, "get_stalled_jobs", return_value=found):
            await revival.revive(app)

    with_app(database_url, babysitter, revive_late)

    assert queue.execute(LEFT).fetchall() == [(last, "todo")]


def test_failed_tasks_are_forgotten_after_a_week(
    queue: psycopg.Connection, database_url: str, babysitter: Babysitter
) -> None:
    old, young = (make_task(queue, "delete_leftovers", "doing", lock=str(i)) for i in range(2))
    for each in (old, young):
        queue.execute("select procrastinate_finish_job_v1(%s, 'failed', false)", (each,))
    waiting = make_task(queue, "start_workers", "todo", lock="workers:1")
    queue.execute(
        "update procrastinate_events set at = at - interval '169 h' where job_id in (%s, %s)",
        (old, waiting),
    )

    with_app(database_url, babysitter, revival.forget)

    assert queue.execute(LEFT).fetchall() == [(young, "failed"), (waiting, "todo")]
