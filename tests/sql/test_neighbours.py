"""What is done to one job leaves its neighbours as they are, whose pods have the same names."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import psycopg
import pytest

from falconeri.db import controls, datums, jobs, outputs, workers
from falconeri.db.jobs import NewJobKey
from falconeri.errors import ClaimLost, DatumNotFound, JobNotRetryable, JobNotRunning
from falconeri.states import DatumStatus, FailureClass, JobStatus, OutputStatus, Verdict
from falconeri.wire.work import Claim, Held, OutputUpdate
from tests.conftest import Connect
from tests.sql import recount
from tests.sql.factories import (
    DONE,
    ask,
    claim,
    complete,
    datum_id,
    failed,
    lose,
    make_job,
    progress,
    refused,
    set_now,
    value,
)
from tests.sql.interleaving import notified
from tests.sql.output_calls import register, settle

OLDER, MIDDLE, YOUNGER = "older", "middle", "younger"


@dataclass(frozen=True)
class Lively:
    """A job to which everything has happened but its end, and what its pods have of it."""

    key: NewJobKey
    held: dict[str, Claim]
    """What `winner` has done, `loser` failed for good, `drive` failed for now, `victim` lost, and
    `worker` still works at.
    """


def make_lively(conn: psycopg.Connection, name: str) -> Lively:
    """A job of eight datums in two shards; three of them are fresh."""
    lease_s = 60 if name == MIDDLE else 600
    job = make_job(
        conn, 8, name=name, shards=2, max_tries=1, lease_s=lease_s, inputs=partial(inputs, name)
    )
    pods = ("winner", "loser", "drive", "victim", "worker")
    held = {pod: claim(conn, job, pod) for pod in pods}
    for pod, each in held.items():
        register(conn, each, [f"s3://out/{name}/{pod}"], pod)
        workers.extend_leases(conn, job_id=job.job_id, pod_name=pod, held=[])
    complete(conn, held["winner"], "winner")
    complete(conn, held["loser"], "loser", failed())
    complete(conn, held["drive"], "drive", failed(FailureClass.STORAGE))
    lose(conn, job, "victim", FailureClass.EVICTED, "drained")
    # Somebody waits; not by the function, which may be what is wrong.
    conn.execute(
        "update falconeri.shards set watched = true where job_no = %s and shard <= %s",
        (job.job_no, {OLDER: -1, MIDDLE: 0, YOUNGER: 1}[name]),
    )
    return Lively(job, held)


def inputs(name: str, number: int) -> bytes:
    return json.dumps([{"uri": f"s3://in/{name}/{number}", "local_path": "/pfs/in"}]).encode()


def tables(conn: psycopg.Connection) -> dict[str, str]:
    """For each table what finds the rows of a job in it."""
    found = conn.execute(
        """
        select c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid
        where c.relnamespace = 'falconeri'::regnamespace and c.relkind = 'r'
          and a.attname = 'job_no' order by c.relname
        """
    ).fetchall()
    by_worker = "t.worker_no in (select worker_no from falconeri.workers where job_no = %s)"
    return {table: "t.job_no = %s" for (table,) in found} | {"heartbeats": by_worker}


def rows(conn: psycopg.Connection, job: Lively) -> list[tuple[str, Any]]:
    """All that the database knows of a job."""
    return [
        (table, row[0])
        for table, condition in tables(conn).items()
        for row in conn.execute(
            f"select to_jsonb(t) from falconeri.{table} t where {condition} order by 1".encode(),  # noqa: S608
            (job.key.job_no,),
        )
    ]


def lock(conn: psycopg.Connection, job: Lively) -> None:
    """Lock all rows of a job."""
    for table, condition in tables(conn).items():
        query = f"select from falconeri.{table} t where {condition} for update"
        conn.execute(query.encode(), (job.key.job_no,))


# --- What is done to the job in the middle ---------------------------------------------

Deed = Callable[[psycopg.Connection, Lively], object]


def claim_some(conn: psycopg.Connection, job: Lively) -> None:
    for pod in ("winner", "victim", "new"):
        claim(conn, job.key, pod)


def claim_by_hub(conn: psycopg.Connection, job: Lively) -> None:
    conn.execute(
        "select * from falconeri.claim_datums(%s, %s, %s)",
        (job.key.job_id, ["worker", "drive", "new"], ["n", "n", "n"]),
    )


def complete_one(conn: psycopg.Connection, job: Lively) -> None:
    assert complete(conn, job.held["worker"], "worker", claim_next=True).claim


def fail_one(conn: psycopg.Connection, job: Lively) -> None:
    complete(conn, job.held["worker"], "worker", failed(FailureClass.INTERNAL))


def give_one_up(conn: psycopg.Connection, job: Lively) -> None:
    complete(conn, job.held["worker"], "worker", failed())


def repeat_completion(conn: psycopg.Connection, job: Lively) -> None:
    assert complete(conn, job.held["winner"], "winner", claim_next=True).claim


def finish(conn: psycopg.Connection, job: Lively) -> None:
    promote(conn, job)
    complete(conn, job.held["worker"], "worker")
    answer = ask(conn, job.key, "new")
    while answer.claim is not None:
        assert all("middle" in each.uri for each in answer.claim.inputs)
        answer = complete(conn, answer.claim, "new", claim_next=True)
    assert answer.verdict is Verdict.ENDED


def lose_one(conn: psycopg.Connection, job: Lively) -> None:
    assert lose(conn, job.key, "worker", FailureClass.EVICTED, "drained") == 1


def expire(conn: psycopg.Connection, _: Lively) -> None:
    set_now(conn, in_s=70)
    assert workers.requeue_expired(conn, limit=9).lost == 1


def show_life(conn: psycopg.Connection, job: Lively) -> None:
    held = job.held["worker"]
    workers.extend_leases(
        conn,
        job_id=job.key.job_id,
        pod_name="worker",
        held=[Held(held.datum_id, held.attempt)],
    )


def come_back(conn: psycopg.Connection, job: Lively) -> None:
    for pod in ("victim", "new"):
        workers.register_worker(conn, job_id=job.key.job_id, pod_name=pod, node_name="n")


def upload(conn: psycopg.Connection, job: Lively) -> None:
    held = claim(conn, job.key, "new")
    (file,) = register(conn, held, [f"s3://out/of/{held.datum_id}"], "new")
    settle(conn, held, [OutputUpdate(file.id, OutputStatus.DONE, 1, "x")], "new")


def unlink(conn: psycopg.Connection, job: Lively) -> None:
    outputs.release_deletion(conn, job_id=job.key.job_id, uri="s3://out/middle/loser")
    outputs.settle_deletion(conn, job_id=job.key.job_id, uri="s3://out/middle/drive")


def promote(conn: psycopg.Connection, job: Lively) -> None:
    conn.execute(
        "update falconeri.requeue set ready_at = now() where job_no = %s and ready_at is not null",
        (job.key.job_no,),
    )
    set_now(conn, in_s=0)
    assert datums.promote_delayed(conn, limit=9) == 1


def watch(conn: psycopg.Connection, job: Lively) -> None:
    conn.execute("select falconeri.watch_job(%s)", (job.key.job_id,))


def pause(conn: psycopg.Connection, job: Lively) -> None:
    controls.pause_job(conn, job_id=job.key.job_id)


def resume(conn: psycopg.Connection, job: Lively) -> None:
    pause(conn, job)
    controls.resume_job(conn, job_id=job.key.job_id)


def scale(conn: psycopg.Connection, job: Lively) -> None:
    controls.scale_job(conn, job_id=job.key.job_id, parallelism=9)


def cancel(conn: psycopg.Connection, job: Lively) -> None:
    jobs.cancel_job(conn, job_id=job.key.job_id)


def vanish(conn: psycopg.Connection, job: Lively) -> None:
    assert jobs.fail_vanished_job(conn, job_id=job.key.job_id, reason="no image")


def retry(conn: psycopg.Connection, job: Lively) -> None:
    cancel(conn, job)
    jobs.retry_job(conn, job_id=job.key.job_id)


def delete(conn: psycopg.Connection, job: Lively) -> None:
    cancel(conn, job)
    while controls.delete_job(conn, job_id=job.key.job_id, limit=3):
        continue


def make_another(conn: psycopg.Connection, _: Lively) -> None:
    make_job(conn, 300)
    make_job(conn, 0)


@pytest.mark.parametrize(
    "deed",
    [
        *(claim_some, claim_by_hub, complete_one, fail_one, give_one_up, repeat_completion),
        *(finish, lose_one, expire, show_life, come_back, upload, unlink, promote, watch),
        *(pause, resume, scale, cancel, vanish, retry, delete, make_another),
    ],
)
def test_neighbours_are_neither_changed_nor_waited_for(
    conn: psycopg.Connection, connect: Connect, deed: Deed
) -> None:
    older, job, younger = (make_lively(conn, name) for name in (OLDER, MIDDLE, YOUNGER))
    before = rows(conn, older), rows(conn, younger)
    locker, listener = connect(), connect()
    listener.execute("listen falconeri_job")

    with locker.transaction():
        lock(locker, older)
        lock(locker, younger)
        conn.execute("set lock_timeout = '1s'")  # whoever waits, waits in vain
        deed(conn, job)

    assert not {str(older.key.job_id), str(younger.key.job_id)} & {*notified(listener)}
    assert (rows(conn, older), rows(conn, younger)) == before
    recount.check(conn, older.key, younger.key)


def test_job_is_done_though_its_neighbours_have_failed(conn: psycopg.Connection) -> None:
    neighbours = [make_lively(conn, OLDER), make_lively(conn, YOUNGER)]
    job = make_job(conn, 1)
    for each in neighbours:
        jobs.cancel_job(conn, job_id=each.key.job_id)

    complete(conn, claim(conn, job))

    assert progress(conn, job).status is JobStatus.DONE


def test_retry_takes_what_this_job_did_not_finish_whatever_became_of_others(
    conn: psycopg.Connection,
) -> None:
    all_done, all_failed = make_job(conn, 2), make_job(conn, 2, max_tries=1)
    job = make_job(conn, 2, max_tries=1)
    for each, reports in (
        (all_done, (DONE, DONE)),
        (all_failed, (failed(), failed())),
        (job, (DONE, failed(FailureClass.TIMEOUT))),
    ):
        for report in reports:
            complete(conn, claim(conn, each), report=report)

    with refused(JobNotRetryable):
        jobs.retry_job(conn, job_id=job.job_id, matching="command")
    new_id = jobs.retry_job(conn, job_id=job.job_id, matching="timeout")

    assert jobs.job_progress(conn, job_id=new_id).total == 1
    rows = conn.execute("select id from falconeri.jobs where retry_of is not null").fetchall()
    assert rows == [(new_id,)]


def test_same_attempt_in_another_job_is_no_repeat(conn: psycopg.Connection) -> None:
    job, other = make_job(conn, 2), make_job(conn, 2)
    complete(conn, claim(conn, other))

    with refused(ClaimLost):
        complete(conn, Claim(datum_id(conn, job, 1), 1, []))


def test_same_attempt_at_another_datum_is_no_repeat(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2)
    complete(conn, claim(conn, job))

    with refused(ClaimLost):
        complete(conn, Claim(datum_id(conn, job, 2), 1, []))


def test_datum_that_only_a_longer_job_has_is_not_found(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)
    make_job(conn, 2)

    with refused(DatumNotFound):
        complete(conn, Claim(datum_id(conn, job, 2), 1, []))
    with refused(DatumNotFound):
        datums.describe_datum(conn, datum_id=datum_id(conn, job, 2))


def test_registration_in_an_ended_job_is_refused_while_others_run(conn: psycopg.Connection) -> None:
    job = make_lively(conn, MIDDLE)
    jobs.cancel_job(conn, job_id=job.key.job_id)
    make_lively(conn, YOUNGER)

    with refused(JobNotRunning):
        register(conn, job.held["worker"], ["s3://out/middle/worker"], "worker")


def test_only_a_jobs_own_datums_are_seen(conn: psycopg.Connection) -> None:
    older, job, younger = (make_lively(conn, name) for name in (OLDER, MIDDLE, YOUNGER))
    for each in (older, younger):
        complete(conn, each.held["worker"], "worker", failed())
        claim(conn, each.key, "other")

    running = datums.list_running_datums(conn, job_id=job.key.job_id, limit=9)
    error = datums.list_failed_datums(conn, job_id=job.key.job_id, limit=9)
    (file,) = datums.list_inputs(conn, datum_id=job.held["worker"].datum_id)

    assert [(d.id, d.status) for d in running] == [
        (job.held["worker"].datum_id, DatumStatus.RUNNING)
    ]
    assert [(d.id, d.status) for d in error] == [(job.held["loser"].datum_id, DatumStatus.ERROR)]
    assert (file.uri, file.job_id) == (job.held["worker"].inputs[0].uri, job.key.job_id)
    assert datums.describe_datum(conn, datum_id=running[0].id) == running[0]
    assert progress(conn, job.key).total == 8
    assert (progress(conn, job.key).error, progress(conn, job.key).running) == (1, 1)


def test_deletions_of_others_keep_no_row_of_a_deleted_job(conn: psycopg.Connection) -> None:
    make_lively(conn, OLDER)
    job = make_job(conn, 1)
    jobs.cancel_job(conn, job_id=job.job_id)

    assert not controls.delete_job(conn, job_id=job.job_id, limit=9)

    assert value(conn, "select count(*) from falconeri.jobs where deleted_at is not null") == 0
