"""Jobs that end before their datums do, and the new jobs made of what they left."""

from uuid import uuid4

import psycopg
import pytest

from falconeri.db import jobs, outputs
from falconeri.errors import ClaimLost, JobNotFound, JobNotRetryable, JobNotRunning
from falconeri.states import DatumStatus, JobStatus, Verdict
from falconeri.wire.work import Report
from tests.conftest import Connect
from tests.sql import recount
from tests.sql.factories import (
    DONE,
    ask,
    claim,
    complete,
    datum,
    datum_id,
    failed,
    make_job,
    progress,
    refused,
    set_now,
    value,
)
from tests.sql.interleaving import blocked, notified


def test_canceled_job_keeps_what_is_done_and_cancels_the_rest(conn: psycopg.Connection) -> None:
    job = make_job(conn, 5, shards=2)
    done = claim(conn, job, "pod-1")
    complete(conn, done, "pod-1")
    waiting = claim(conn, job, "pod-2")
    complete(conn, waiting, "pod-2", failed())
    running = claim(conn, job, "pod-3", slot=1)

    jobs.cancel_job(conn, job_id=job.job_id)

    found = progress(conn, job)
    assert (found.status, found.done, found.canceled) == (JobStatus.CANCELED, 1, 4)
    assert datum(conn, done.datum_id).status is DatumStatus.DONE
    assert datum(conn, waiting.datum_id).status is DatumStatus.CANCELED
    assert datum(conn, running.datum_id).status is DatumStatus.CANCELED
    assert datum(conn, running.datum_id).error_message == "the job was canceled"
    assert ask(conn, job, "pod-4").verdict is Verdict.ENDED
    recount.check(conn, job)


def test_attempts_at_work_are_decided_by_a_cancel(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2)
    claim(conn, job)

    jobs.cancel_job(conn, job_id=job.job_id)

    found = conn.execute("select outcome::text, final from falconeri.attempts").fetchall()
    assert found == [("canceled", True)]
    assert value(conn, "select bool_and(halted) from falconeri.shards")


def test_cancel_asks_to_stop_the_workers_after_whatever_else_is_done_to_them(
    conn: psycopg.Connection,
) -> None:
    job = make_job(conn, 2)

    jobs.cancel_job(conn, job_id=job.job_id)

    tasks = conn.execute(
        "select task_name, lock from procrastinate.procrastinate_jobs order by id"
    ).fetchall()
    lock = f"workers:{job.job_id}"
    assert tasks == [("start_workers", lock), ("stop_workers", lock)]


@pytest.mark.parametrize(
    "wrong",
    [
        *("open = open + 1", "requeued = 1", "delayed = 1", "running = running + 1"),
        *("next_seq = next_seq - 1", "done = done + 1", "canceled = 1"),
    ],
)
def test_job_does_not_end_by_counters_that_contradict_each_other(
    conn: psycopg.Connection, wrong: str
) -> None:
    job = make_job(conn, 2)
    held = [claim(conn, job, slot=slot) for slot in range(2)]
    complete(conn, held[0])
    conn.execute(f"update falconeri.shards set {wrong}".encode())  # noqa: S608 - from above

    if "open" in wrong:
        complete(conn, held[1])
    else:
        with pytest.raises(psycopg.errors.AssertFailure):
            complete(conn, held[1])

    assert progress(conn, job).status is JobStatus.RUNNING


def test_repeated_cancel_is_fine(conn: psycopg.Connection, connect: Connect) -> None:
    job = make_job(conn, 1)
    listener = connect()
    listener.execute("listen falconeri_job")

    jobs.cancel_job(conn, job_id=job.job_id)
    jobs.cancel_job(conn, job_id=job.job_id)

    assert notified(listener) == [str(job.job_id)]


def test_cancel_of_a_done_job_is_refused(conn: psycopg.Connection) -> None:
    job = make_job(conn, 0)

    with refused(JobNotRunning):
        jobs.cancel_job(conn, job_id=job.job_id)


def test_unknown_job_is_refused(conn: psycopg.Connection) -> None:
    with refused(JobNotFound):
        jobs.cancel_job(conn, job_id=uuid4())
    with refused(JobNotFound):
        jobs.fail_vanished_job(conn, job_id=uuid4(), reason="gone")
    with refused(JobNotFound):
        jobs.retry_job(conn, job_id=uuid4())


def test_cancel_waits_for_a_completion_and_counts_it(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_job(conn, 3)
    held = claim(conn, job)
    other = connect()
    other.execute("begin")
    complete(other, held, claim_next=True)
    with blocked(conn, lambda: jobs.cancel_job(conn, job_id=job.job_id)) as canceled:
        other.execute("commit")

    canceled.result()
    found = progress(conn, job)
    assert (found.status, found.done, found.canceled) == (JobStatus.CANCELED, 1, 2)
    recount.check(conn, job)


def test_completion_during_a_cancel_is_refused(conn: psycopg.Connection, connect: Connect) -> None:
    job = make_job(conn, 3)
    held = claim(conn, job)
    other = connect()
    other.execute("begin")
    jobs.cancel_job(other, job_id=job.job_id)
    with blocked(conn, lambda: complete(conn, held)) as completed:
        other.execute("commit")

    with refused(ClaimLost):
        completed.result()
    recount.check(conn, job)


def test_cancel_during_the_last_completion_is_refused(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_job(conn, 1)
    held = claim(conn, job)
    other = connect()
    other.execute("begin")
    complete(other, held)
    with blocked(conn, lambda: jobs.cancel_job(conn, job_id=job.job_id)) as canceled:
        other.execute("commit")

    with refused(JobNotRunning):
        canceled.result()
    assert progress(conn, job).status is JobStatus.DONE


def test_cancel_does_not_deadlock_with_completions_of_the_last_datums(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_job(conn, 4, shards=2)
    held = [claim(conn, job, slot=i) for i in range(4)]
    first = [h for h in held if h.datum_id in {datum_id(conn, job, i) for i in (1, 2)}]
    other = connect()
    other.execute("begin")
    complete(other, first[0])  # has the first shard, not yet the job
    with blocked(conn, lambda: jobs.cancel_job(conn, job_id=job.job_id)) as canceled:
        complete(other, first[1])  # closes its shard: now it needs the job
        other.execute("commit")

    canceled.result()
    found = progress(conn, job)
    assert (found.done, found.canceled) == (2, 2)
    recount.check(conn, job)


def test_two_cancels_at_once_end_the_job_once(conn: psycopg.Connection, connect: Connect) -> None:
    job = make_job(conn, 3)
    claim(conn, job)
    other, listener = connect(), connect()
    listener.execute("listen falconeri_job")
    other.execute("begin")
    jobs.cancel_job(other, job_id=job.job_id)
    with blocked(conn, lambda: jobs.cancel_job(conn, job_id=job.job_id)) as second:
        other.execute("commit")

    second.result()
    assert notified(listener) == [str(job.job_id)]
    recount.check(conn, job)


def test_vanished_job_is_an_error_with_the_reason(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2)
    held = claim(conn, job)

    assert jobs.fail_vanished_job(conn, job_id=job.job_id, reason="no image")

    found = jobs.describe_job(conn, job_id=job.job_id)
    assert (found.status, found.error_message) == (JobStatus.ERROR, "no image")
    assert datum(conn, held.datum_id).error_message == "no image"
    assert not jobs.fail_vanished_job(conn, job_id=job.job_id, reason="again")
    assert jobs.describe_job(conn, job_id=job.job_id).error_message == "no image"
    recount.check(conn, job)


def test_job_whose_last_datum_ends_first_has_not_vanished(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_job(conn, 1)
    held = claim(conn, job)
    other, listener = connect(), connect()
    listener.execute("listen falconeri_job")
    other.execute("begin")
    assert complete(other, held, claim_next=True).verdict is Verdict.ENDED
    with blocked(
        conn, lambda: jobs.fail_vanished_job(conn, job_id=job.job_id, reason="no image")
    ) as vanished:
        other.execute("commit")

    assert not vanished.result()
    found = jobs.describe_job(conn, job_id=job.job_id)
    assert (found.status, found.error_message) == (JobStatus.DONE, None)
    assert notified(listener) == [str(job.job_id)]
    recount.check(conn, job)


@pytest.mark.parametrize("report", [DONE, failed()], ids=["success", "failure"])
def test_last_datum_of_a_job_that_vanishes_first_ends_nothing(
    conn: psycopg.Connection, connect: Connect, report: Report
) -> None:
    job = make_job(conn, 1, max_tries=1)
    held = claim(conn, job)
    other, listener = connect(), connect()
    listener.execute("listen falconeri_job")
    other.execute("begin")
    assert jobs.fail_vanished_job(other, job_id=job.job_id, reason="no image")
    with blocked(conn, lambda: complete(conn, held, report=report)) as completed:
        other.execute("commit")

    with refused(ClaimLost):
        completed.result()
    found = jobs.describe_job(conn, job_id=job.job_id)
    assert (found.status, found.error_message) == (JobStatus.ERROR, "no image")
    assert notified(listener) == [str(job.job_id)]
    recount.check(conn, job)


def test_outputs_of_canceled_attempts_are_deleted_those_of_done_ones_kept(
    conn: psycopg.Connection,
) -> None:
    job = make_job(conn, 2)
    for pod, uri in (("pod-1", "s3://out/kept"), ("pod-2", "s3://out/gone")):
        held = claim(conn, job, pod)
        outputs.register_outputs(conn, datum_id=held.datum_id, pod_name=pod, attempt=1, uris=[uri])
        if pod == "pod-1":
            complete(conn, held, pod)

    jobs.cancel_job(conn, job_id=job.job_id)

    # Its worker may be uploading it until it has heard of the end.
    set_now(conn, in_s=59)
    assert outputs.take_deletions(conn, limit=9) == []
    set_now(conn, in_s=61)
    assert [d.uri for d in outputs.take_deletions(conn, limit=9)] == ["s3://out/gone"]


def test_overdue_jobs_are_those_whose_time_is_over(conn: psycopg.Connection) -> None:
    short = make_job(conn, timeout_s=10)
    make_job(conn, timeout_s=1000)
    make_job(conn)
    jobs.cancel_job(conn, job_id=make_job(conn, timeout_s=1).job_id)
    assert jobs.list_overdue_jobs(conn) == []

    set_now(conn, in_s=11)

    assert [(o.job_id, o.timeout_s) for o in jobs.list_overdue_jobs(conn)] == [(short.job_id, 10)]


def test_retry_copies_all_datums_that_are_not_done(conn: psycopg.Connection) -> None:
    job = make_job(conn, 4, max_tries=1, name="words")
    complete(conn, claim(conn, job), report=failed())
    complete(conn, claim(conn, job))
    claim(conn, job)
    jobs.cancel_job(conn, job_id=job.job_id)

    new_id = jobs.retry_job(conn, job_id=job.job_id)

    rows = conn.execute(
        """
        select d.seq, falconeri._inputs(d.job_no, d.seq) -> 0 ->> 'uri'
        from falconeri.datum_states d where d.job_id = %s order by d.seq
        """,
        (new_id,),
    ).fetchall()
    assert rows == [(1, "s3://in/1"), (2, "s3://in/3"), (3, "s3://in/4")]
    new = jobs.describe_job(conn, job_id=new_id)
    old = jobs.describe_job(conn, job_id=job.job_id)
    assert new.status is JobStatus.RUNNING
    assert (new.pipeline_spec, new.command, new.egress_uri) == (
        old.pipeline_spec,
        old.command,
        old.egress_uri,
    )
    assert new.job_name.startswith("words-")
    assert len(new.job_name) == len(old.job_name)
    assert new.job_name != old.job_name
    retry_of = value(
        conn,
        """
        select o.id from falconeri.jobs n join falconeri.jobs o on o.job_no = n.retry_of
        where n.id = %s
        """,
        new_id,
    )
    assert retry_of == job.job_id


@pytest.mark.parametrize("count", [0, 1])
def test_retry_of_a_running_or_done_job_is_refused(conn: psycopg.Connection, count: int) -> None:
    job = make_job(conn, count)

    with refused(JobNotRetryable):
        jobs.retry_job(conn, job_id=job.job_id)
