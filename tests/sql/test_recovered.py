"""What becomes of a datum whose program failed, and whose `err_cmd` made up for it."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import psycopg
import pytest

from falconeri.db import datums, jobs, outputs, workers
from falconeri.errors import ClaimLost, DatumNotFound, InvalidInput, JobNotRetryable
from falconeri.states import AttemptOutcome, DatumStatus, FailureClass, JobStatus, Verdict
from falconeri.wire.work import ProgramOptions
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
)
from tests.sql.output_calls import A, register

RECOVERED = msgspec.structs.replace(failed(), outcome=AttemptOutcome.RECOVERED)


def test_a_recovered_datum_is_done_and_its_failure_is_kept(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2, max_tries=1)
    first = claim(conn, job)

    complete(conn, first, report=RECOVERED)
    recount.check(conn, job)
    complete(conn, claim(conn, job), report=DONE)

    shown = datum(conn, first.datum_id)
    assert (shown.status, shown.error_message) == (DatumStatus.DONE, "failed: command")
    [attempt] = datums.list_attempts(conn, datum_id=first.datum_id)
    assert (attempt.outcome, attempt.final) == (AttemptOutcome.RECOVERED, True)
    assert (attempt.failure_class, attempt.output) == (FailureClass.COMMAND, "before the crash")
    counts = progress(conn, job)
    assert (counts.status, counts.done, counts.recovered) == (JobStatus.DONE, 2, 1)
    assert (counts.error, counts.failed_attempts) == (0, 0)
    recount.check(conn, job)


def test_what_a_recovered_datum_had_stored_is_deleted_at_once(conn: psycopg.Connection) -> None:
    held = claim(conn, make_job(conn, 1))
    register(conn, held, [A])

    complete(conn, held, report=RECOVERED)

    assert [d.uri for d in outputs.take_deletions(conn, limit=9)] == [A]


def test_the_worker_that_recovered_a_datum_gets_the_next_one(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2)
    first = claim(conn, job)

    answer = complete(conn, first, report=RECOVERED, claim_next=True)

    assert answer.claim is not None
    assert answer.claim.datum_id == datum_id(conn, job, 2)
    assert complete(conn, first, report=RECOVERED, claim_next=True) == answer


def test_a_recovery_counts_in_its_own_shard_and_the_last_one_ends_the_job(
    conn: psycopg.Connection,
) -> None:
    job = make_job(conn, 2, shards=2)
    held = [claim(conn, job, slot=slot) for slot in range(2)]

    complete(conn, held[0], report=RECOVERED)
    recount.check(conn, job)
    assert progress(conn, job).status is JobStatus.RUNNING
    complete(conn, held[1], report=RECOVERED)

    assert progress(conn, job).status is JobStatus.DONE
    recount.check(conn, job)


def test_a_recovery_of_an_ended_job_comes_too_late(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)
    held = claim(conn, job)
    jobs.cancel_job(conn, job_id=job.job_id)

    with refused(ClaimLost):
        complete(conn, held, report=RECOVERED)
    assert progress(conn, job).recovered == 0


def test_a_recovery_without_a_failure_is_none(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)
    held = claim(conn, job)

    with refused(InvalidInput):
        complete(conn, held, report=msgspec.structs.replace(RECOVERED, failure_class=None))
    assert ask(conn, job).verdict is Verdict.CLAIMED  # nothing has changed


def test_reports_count_recovered_datums_as_done(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2, max_tries=1)
    complete(conn, claim(conn, job), report=RECOVERED)
    complete(conn, claim(conn, job), report=failed())

    def shown(query: str) -> object:
        return conn.execute(query, (job.job_id,)).fetchone()  # type: ignore[arg-type]

    assert shown("select done, recovered, error from report.jobs where job_id = %s") == (1, 1, 1)
    assert shown("select done, failed from report.throughput where job_id = %s") == (1, 1)
    query = "select attempts_done, attempts_failed from report.worker_totals where job_id = %s"
    assert shown(query) == (1, 1)


def test_only_failed_datums_are_retried_not_recovered_ones(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2, max_tries=1)
    complete(conn, claim(conn, job), report=RECOVERED)
    complete(conn, claim(conn, job), report=failed())

    again = jobs.retry_job(conn, job_id=job.job_id)
    assert jobs.job_progress(conn, job_id=again).total == 1

    done = make_job(conn, 1)
    complete(conn, claim(conn, done), report=RECOVERED)
    with refused(JobNotRetryable):
        jobs.retry_job(conn, job_id=done.job_id)


def test_only_failures_of_the_program_use_up_the_tries_left(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1, max_tries=2)
    left: list[int] = []
    for report in (failed(FailureClass.EVICTED), failed(), RECOVERED):
        held = claim(conn, job)
        left.append(
            datums.count_tries_left(
                conn, datum_id=held.datum_id, pod_name="pod-1", attempt=held.attempt
            )
        )
        complete(conn, held, report=report)

    assert left == [2, 2, 1]


@dataclass(frozen=True)
class Asked:
    pod: str
    attempt: int


@pytest.mark.parametrize("asked", [Asked("pod-2", 1), Asked("pod-1", 2)])
def test_only_who_holds_a_datum_learns_of_its_tries(conn: psycopg.Connection, asked: Asked) -> None:
    held = claim(conn, make_job(conn, 1))

    with refused(ClaimLost):
        datums.count_tries_left(
            conn, datum_id=held.datum_id, pod_name=asked.pod, attempt=asked.attempt
        )


def test_tries_of_a_datum_that_is_not_there(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)
    with refused(DatumNotFound):
        datums.count_tries_left(conn, datum_id=job.job_id, pod_name="pod-1", attempt=1)


def test_a_worker_learns_how_the_program_is_to_be_run(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)
    conn.execute(
        """
        update falconeri.jobs set pipeline_spec = '{
          "transform": {
            "cmd": ["x"], "env": {"A": "secret"}, "image_pull_policy": null, "stdin": ["a"],
            "err_cmd": ["true"], "accept_return_code": [3], "working_dir": "/x"
          },
          "datum_timeout": 90
        }' where job_no = %s
        """,
        (job.job_no,),
    )

    order = workers.register_worker(conn, job_id=job.job_id, pod_name="pod-1", node_name="n")

    assert order.program == ProgramOptions(
        stdin=["a"],
        err_cmd=["true"],
        accept_return_code=[3],
        working_dir="/x",
        datum_timeout_s=90,
    )
