"""Waiters are told when work becomes ready: never too rarely, whatever comes first."""

import asyncio
from uuid import UUID, uuid4

import psycopg
import pytest

from falconeri.db import jobs, waiting, workers
from falconeri.errors import JobNotFound
from falconeri.states import FailureClass, Verdict
from tests.conftest import Connect
from tests.sql.factories import (
    ask,
    claim,
    complete,
    failed,
    make_job,
    refused,
    set_now,
    value,
)
from tests.sql.interleaving import blocked, notified


def watch(conn: psycopg.Connection, job_id: UUID) -> None:
    conn.execute("select falconeri.watch_job(%s)", (job_id,))


def test_retry_wakes_those_who_watch(conn: psycopg.Connection, connect: Connect) -> None:
    job = make_job(conn, 1)
    held = claim(conn, job)
    listener = connect()
    listener.execute("listen falconeri_job")
    watch(conn, job.job_id)

    complete(conn, held, report=failed())

    assert notified(listener) == [str(job.job_id)]


def test_nobody_is_woken_who_does_not_watch(conn: psycopg.Connection, connect: Connect) -> None:
    job = make_job(conn, 1)
    held = claim(conn, job)
    listener = connect()
    listener.execute("listen falconeri_job")

    complete(conn, held, report=failed())

    assert notified(listener) == []


def test_watch_lasts_for_one_call_in_each_shard(conn: psycopg.Connection, connect: Connect) -> None:
    job = make_job(conn, 4, shards=2)
    held = [claim(conn, job, slot=i) for i in range(4)]
    listener = connect()
    listener.execute("listen falconeri_job")
    watch(conn, job.job_id)

    for each in held:
        complete(conn, each, report=failed())

    assert len(notified(listener)) == 2
    again = claim(conn, job)
    watch(conn, job.job_id)
    complete(conn, again, report=failed(FailureClass.EVICTED))
    assert len(notified(listener)) == 1


def test_retry_committed_before_the_watch_is_found_by_the_look_after_it(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_job(conn, 1)
    held = claim(conn, job)
    other = connect()
    other.execute("begin")
    complete(other, held, report=failed())
    with blocked(conn, lambda: watch(conn, job.job_id)) as watching:
        other.execute("commit")

    watching.result()
    assert ask(conn, job, "pod-2").verdict is Verdict.CLAIMED


def test_retry_committed_after_the_watch_is_notified(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_job(conn, 1)
    held = claim(conn, job)
    other, listener = connect(), connect()
    listener.execute("listen falconeri_job")
    other.execute("begin")
    watch(other, job.job_id)
    assert ask(conn, job, "pod-2").verdict is Verdict.EMPTY
    with blocked(conn, lambda: complete(conn, held, report=failed())) as retried:
        other.execute("commit")

    retried.result()
    assert notified(listener) == [str(job.job_id)]


def test_watch_waits_for_no_shard_that_was_watched_when_it_began(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_job(conn, 2, shards=2)
    held = [claim(conn, job, f"pod-{shard}") for shard in range(2)]
    watch(conn, job.job_id)
    complete(conn, held[1], "pod-1", failed())
    other, third = connect(), connect()
    other.execute("begin")
    other.execute("select from falconeri.shards where shard = 1 for update")
    with blocked(conn, lambda: watch(conn, job.job_id)) as watching:
        complete(third, held[0], "pod-0", failed())
        third.execute("begin")
        third.execute("select from falconeri.shards where shard = 0 for update")
        other.execute("commit")
        watching.result(60)  # it has let go of what `third` may want next
        third.execute("commit")

    states = "select array_agg(watched order by shard) from falconeri.shards"
    assert value(conn, states) == [False, True]


def test_expired_lease_wakes_those_who_watch(conn: psycopg.Connection, connect: Connect) -> None:
    job = make_job(conn, 2)
    claim(conn, job, "pod-1")
    claim(conn, job, "pod-2")
    listener = connect()
    listener.execute("listen falconeri_job")
    watch(conn, job.job_id)
    set_now(conn, in_s=61)

    assert workers.requeue_expired(conn, limit=9).lost == 2

    assert notified(listener) == [str(job.job_id)]


def test_end_is_notified_whether_or_not_somebody_watches(
    conn: psycopg.Connection, connect: Connect
) -> None:
    listener = connect()
    listener.execute("listen falconeri_job")
    job = make_job(conn, 1)

    jobs.cancel_job(conn, job_id=job.job_id)

    assert notified(listener) == [str(job.job_id)]


def test_second_watch_writes_nothing(conn: psycopg.Connection, connect: Connect) -> None:
    job = make_job(conn, 2)
    watch(conn, job.job_id)
    other = connect()
    with other.transaction():
        other.execute("select from falconeri.shards for update")
        watch(conn, job.job_id)  # would wait

    assert value(conn, "select bool_and(watched) from falconeri.shards")


def test_watch_of_an_unknown_job_is_refused(conn: psycopg.Connection) -> None:
    with refused(JobNotFound):
        watch(conn, uuid4())


def test_hubs_wrapper_watches_and_raises_our_error(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)

    async def call() -> None:
        dsn = f"{conn.info.dsn} password={conn.info.password}"
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as hub:
            await waiting.watch_job(hub, job_id=job.job_id)
            with pytest.raises(JobNotFound):
                await waiting.watch_job(hub, job_id=uuid4())

    asyncio.run(call())
    assert value(conn, "select watched from falconeri.shards")
