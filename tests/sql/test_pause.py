"""Paused jobs: nothing is handed out, nothing is lost, and the end comes as ever."""

import asyncio
from collections.abc import Callable
from uuid import uuid4

import psycopg
import pytest

from falconeri.db import controls, jobs, waiting
from falconeri.db.jobs import NewJobKey
from falconeri.errors import JobNotFound, JobNotRunning
from falconeri.states import FailureClass, JobStatus, Verdict
from falconeri.wire.work import WorkerIdentity
from tests.conftest import Connect
from tests.sql import recount
from tests.sql.factories import (
    ask,
    claim,
    complete,
    datum_id,
    deferred,
    failed,
    lose,
    make_job,
    progress,
    refused,
    value,
)
from tests.sql.interleaving import blocked, notified
from tests.sql.test_scale_job import wanted


def pause(conn: psycopg.Connection, job: NewJobKey) -> None:
    controls.pause_job(conn, job_id=job.job_id)


def resume(conn: psycopg.Connection, job: NewJobKey) -> None:
    controls.resume_job(conn, job_id=job.job_id)


def paused(conn: psycopg.Connection, job: NewJobKey) -> bool:
    return value(conn, "select paused from falconeri.jobs where job_no = %s", job.job_no)


def test_paused_job_hands_out_nothing_until_it_is_resumed(conn: psycopg.Connection) -> None:
    job = make_job(conn, 4, shards=2)

    pause(conn, job)

    assert ask(conn, job).verdict is Verdict.EMPTY
    assert paused(conn, job)
    recount.check(conn, job)
    resume(conn, job)
    assert not paused(conn, job)
    assert len({claim(conn, job, slot=i).datum_id for i in range(4)}) == 4
    recount.check(conn, job)


def test_paused_job_wants_no_workers_once_they_hold_nothing(conn: psycopg.Connection) -> None:
    job, other = make_job(conn, 4, shards=2, parallelism=2), make_job(conn, 4, parallelism=3)
    held = [claim(conn, job, slot=i) for i in range(2)]
    claim(conn, other)

    pause(conn, job)
    pause(conn, other)

    assert wanted(conn) == [2, 3]
    complete(conn, held[0])
    assert wanted(conn) == [2, 3]
    complete(conn, held[1], report=failed())
    assert wanted(conn) == [0, 3]
    resume(conn, job)
    assert wanted(conn) == [2, 3]


def test_cluster_is_asked_to_follow_also_by_a_repeat(conn: psycopg.Connection) -> None:
    job = make_job(conn, 4)

    for number, change in enumerate([pause, pause, resume, resume], start=2):
        change(conn, job)
        assert deferred(conn, job) == ["start_workers"] * number


def test_pod_of_a_paused_job_is_told_again_what_it_holds(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2)
    held = claim(conn, job)

    pause(conn, job)

    assert ask(conn, job).claim == held


def test_completion_in_a_paused_job_counts_and_gets_no_next_datum(
    conn: psycopg.Connection,
) -> None:
    job = make_job(conn, 3)
    held = claim(conn, job)
    pause(conn, job)

    answer = complete(conn, held, claim_next=True)

    assert answer.verdict is Verdict.EMPTY
    assert (progress(conn, job).done, progress(conn, job).ready) == (1, 2)
    assert complete(conn, held, claim_next=True).verdict is Verdict.EMPTY, "the repeat"
    recount.check(conn, job)


def test_waiting_pods_of_a_paused_job_get_nothing(conn: psycopg.Connection) -> None:
    job = make_job(conn, 3)
    pause(conn, job)

    async def hand_out() -> waiting.HandedOut:
        dsn = f"{conn.info.dsn} password={conn.info.password}"
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as hub:
            who = [WorkerIdentity(pod_name="pod-1", node_name="node-1")]
            return await waiting.claim_datums(hub, job_id=job.job_id, who=who)

    handed_out = asyncio.run(hand_out())

    assert not list(handed_out)
    assert handed_out.stopped_by is Verdict.EMPTY


def test_failed_datum_of_a_paused_job_is_tried_again_after_it(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)
    held = claim(conn, job)
    pause(conn, job)

    complete(conn, held, report=failed())

    assert progress(conn, job).ready == 1
    assert ask(conn, job).verdict is Verdict.EMPTY
    recount.check(conn, job)
    resume(conn, job)
    assert claim(conn, job).attempt == 2


def test_last_datum_ends_a_paused_job(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2, shards=2)
    held = [claim(conn, job, slot=i) for i in range(2)]
    pause(conn, job)

    for each in held:
        complete(conn, each)

    assert progress(conn, job).status is JobStatus.DONE
    assert ask(conn, job).verdict is Verdict.ENDED
    recount.check(conn, job)


def test_datum_given_up_ends_a_paused_job(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1, max_tries=1)
    held = claim(conn, job)
    pause(conn, job)

    complete(conn, held, report=failed())

    assert progress(conn, job).status is JobStatus.ERROR
    recount.check(conn, job)


def test_closed_shard_of_a_paused_job_ends_it_once_the_others_are_closed(
    conn: psycopg.Connection,
) -> None:
    job = make_job(conn, 2, shards=2)
    complete(conn, claim(conn, job))
    pause(conn, job)
    resume(conn, job)

    complete(conn, claim(conn, job))

    assert progress(conn, job).status is JobStatus.DONE
    recount.check(conn, job)


def test_paused_job_can_be_canceled(conn: psycopg.Connection) -> None:
    job = make_job(conn, 3)
    claim(conn, job)
    pause(conn, job)

    jobs.cancel_job(conn, job_id=job.job_id)

    found = progress(conn, job)
    assert (found.status, found.canceled) == (JobStatus.CANCELED, 3)
    recount.check(conn, job)


def test_retry_of_a_job_canceled_while_paused_is_not_paused(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)
    pause(conn, job)
    jobs.cancel_job(conn, job_id=job.job_id)

    new = jobs.retry_job(conn, job_id=job.job_id)

    assert ask(conn, NewJobKey(0, new)).verdict is Verdict.CLAIMED


def test_only_the_job_itself_is_paused(conn: psycopg.Connection) -> None:
    job, other = make_job(conn), make_job(conn)

    pause(conn, job)

    assert ask(conn, other).verdict is Verdict.CLAIMED
    assert not paused(conn, other)


@pytest.mark.parametrize("change", [pause, resume])
def test_ended_and_unknown_jobs_are_refused(
    conn: psycopg.Connection, change: Callable[[psycopg.Connection, NewJobKey], None]
) -> None:
    canceled = make_job(conn)
    jobs.cancel_job(conn, job_id=canceled.job_id)

    with refused(JobNotRunning):
        change(conn, make_job(conn, 0))
    with refused(JobNotRunning):
        change(conn, canceled)
    with refused(JobNotFound):
        change(conn, NewJobKey(0, uuid4()))


def test_repeats_change_nothing_and_wake_nobody(conn: psycopg.Connection, connect: Connect) -> None:
    job = make_job(conn)
    listener = connect()
    listener.execute("listen falconeri_job")

    resume(conn, job)
    assert notified(listener) == []
    pause(conn, job)
    pause(conn, job)
    assert notified(listener) == [str(job.job_id)]
    resume(conn, job)
    resume(conn, job)

    assert notified(listener) == [str(job.job_id)]
    assert ask(conn, job).verdict is Verdict.CLAIMED


def test_pause_waits_for_a_claim_being_made_which_stays(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_job(conn, 2)
    other = connect()
    other.execute("begin")
    held = claim(other, job)
    with blocked(conn, lambda: pause(conn, job)) as pausing:
        other.execute("commit")

    pausing.result()
    assert ask(conn, job).claim == held
    assert ask(conn, job, "pod-2").verdict is Verdict.EMPTY
    recount.check(conn, job)


def test_claim_during_a_pause_is_busy_and_then_empty(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_job(conn, 2)
    other = connect()
    with other.transaction():
        pause(other, job)
        assert ask(conn, job).verdict is Verdict.BUSY

    assert ask(conn, job).verdict is Verdict.EMPTY


def test_completion_during_a_pause_waits_and_gets_no_next_datum(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_job(conn, 3)
    held = claim(conn, job)
    other = connect()
    other.execute("begin")
    pause(other, job)
    with blocked(conn, lambda: complete(conn, held, claim_next=True)) as completed:
        other.execute("commit")

    assert completed.result().verdict is Verdict.EMPTY
    assert progress(conn, job).running == 0
    recount.check(conn, job)


def test_pause_during_the_last_completion_is_refused(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_job(conn, 1)
    held = claim(conn, job)
    other = connect()
    other.execute("begin")
    complete(other, held)
    with blocked(conn, lambda: pause(conn, job)) as pausing:
        other.execute("commit")

    with refused(JobNotRunning):
        pausing.result()
    assert progress(conn, job).status is JobStatus.DONE


def test_pause_does_not_deadlock_with_completions_of_the_last_datums(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_job(conn, 4, shards=2)
    held = [claim(conn, job, slot=i) for i in range(4)]
    first = [h for h in held if h.datum_id in {datum_id(conn, job, i) for i in (1, 2)}]
    other = connect()
    other.execute("begin")
    complete(other, first[0])  # has the first shard, not yet the job
    with blocked(conn, lambda: pause(conn, job)) as pausing:
        complete(other, first[1])  # closes its shard: now it needs the job
        other.execute("commit")

    pausing.result()
    assert paused(conn, job)
    assert (progress(conn, job).done, progress(conn, job).running) == (2, 2)
    recount.check(conn, job)


def test_resume_after_a_look_is_notified_though_nobody_watches(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_job(conn, 1)
    pause(conn, job)
    other, listener = connect(), connect()
    listener.execute("listen falconeri_job")
    with other.transaction():
        resume(other, job)
        assert ask(conn, job).verdict is Verdict.EMPTY

    assert notified(listener) == [str(job.job_id)]
    assert ask(conn, job).verdict is Verdict.CLAIMED


def test_pause_and_cancel_at_once_end_the_job(conn: psycopg.Connection, connect: Connect) -> None:
    job = make_job(conn, 2)
    other = connect()
    other.execute("begin")
    jobs.cancel_job(other, job_id=job.job_id)
    with blocked(conn, lambda: pause(conn, job)) as pausing:
        other.execute("commit")

    with refused(JobNotRunning):
        pausing.result()
    recount.check(conn, job)


def test_lost_worker_of_a_paused_job_gives_its_datum_back(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)
    claim(conn, job)
    pause(conn, job)

    lose(conn, job, failure_class=FailureClass.EVICTED, message="drained")

    assert ask(conn, job, "pod-2").verdict is Verdict.EMPTY
    recount.check(conn, job)
    resume(conn, job)
    assert claim(conn, job, "pod-2").attempt == 2
