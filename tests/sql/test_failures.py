"""What becomes of a datum whose attempt failed, or whose worker died."""

import psycopg
import pytest

from falconeri.db import datums
from falconeri.states import DatumStatus, FailureClass, JobStatus, Verdict
from tests.sql import recount
from tests.sql.factories import (
    DONE,
    ask,
    claim,
    complete,
    datum,
    datum_id,
    failed,
    lose,
    make_job,
    progress,
)

OWN_FAULT = [FailureClass.COMMAND, FailureClass.TIMEOUT, FailureClass.OUT_OF_MEMORY]
NOT_ITS_FAULT = [f for f in FailureClass if f not in OWN_FAULT]


@pytest.mark.parametrize("failure_class", OWN_FAULT)
def test_failed_datum_is_requeued_until_its_tries_are_spent(
    conn: psycopg.Connection, failure_class: FailureClass
) -> None:
    job = make_job(conn, 1, max_tries=3)
    for attempt in (1, 2, 3):
        held = claim(conn, job, f"pod-{attempt}")
        assert held.attempt == attempt
        assert progress(conn, job).status is JobStatus.RUNNING
        complete(conn, held, f"pod-{attempt}", failed(failure_class))
        recount.check(conn, job)

    assert ask(conn, job).verdict is Verdict.ENDED
    assert datum(conn, datum_id(conn, job, 1)).status is DatumStatus.ERROR
    found = progress(conn, job)
    assert (found.status, found.error, found.failed_attempts) == (JobStatus.ERROR, 1, 3)


@pytest.mark.parametrize("failure_class", NOT_ITS_FAULT)
def test_failures_not_its_own_have_a_limit_of_their_own(
    conn: psycopg.Connection, failure_class: FailureClass
) -> None:
    job = make_job(conn, 1, max_tries=1)
    for attempt in range(1, 11):
        held = claim(conn, job)
        assert held.attempt == attempt
        complete(conn, held, report=failed(failure_class))
        end_delays(conn)

    assert datum(conn, datum_id(conn, job, 1)).status is DatumStatus.ERROR
    assert progress(conn, job).status is JobStatus.ERROR
    recount.check(conn, job)


def end_delays(conn: psycopg.Connection) -> None:
    conn.execute("update falconeri.requeue set ready_at = '-infinity' where ready_at is not null")
    datums.promote_delayed(conn, limit=10)


@pytest.mark.parametrize("failure_class", FailureClass)
def test_only_a_failure_of_a_store_or_of_ours_waits_without_being_told(
    conn: psycopg.Connection, failure_class: FailureClass
) -> None:
    job = make_job(conn, 1, max_tries=2)
    complete(conn, claim(conn, job), report=failed(failure_class))

    waits = ask(conn, job).verdict is Verdict.EMPTY
    assert waits is (failure_class in {FailureClass.STORAGE, FailureClass.INTERNAL})
    recount.check(conn, job)


def test_losses_do_not_use_up_tries(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1, max_tries=2, max_losses=3)
    for failure_class in (
        FailureClass.LOST_WORKER,
        FailureClass.COMMAND,
        FailureClass.EVICTED,
    ):
        complete(conn, claim(conn, job), report=failed(failure_class))
    assert progress(conn, job).ready == 1

    complete(conn, claim(conn, job), report=failed(FailureClass.TIMEOUT))
    assert progress(conn, job).error == 1


@pytest.mark.parametrize("failure_class", [FailureClass.COMMAND, FailureClass.EVICTED])
def test_failures_of_one_datum_are_not_those_of_the_next_one_in_its_slot(
    conn: psycopg.Connection, failure_class: FailureClass
) -> None:
    job = make_job(conn, 3, max_tries=2, max_losses=2)
    complete(conn, claim(conn, job), report=failed(failure_class))
    again = claim(conn, job)
    assert again.attempt == 2

    fresh = complete(conn, again, claim_next=True).claim
    assert fresh is not None
    complete(conn, fresh, report=failed(failure_class))

    assert (progress(conn, job).error, progress(conn, job).ready) == (0, 2)
    recount.check(conn, job)


def test_success_after_failures_is_a_success(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)
    complete(conn, claim(conn, job), report=failed())
    held = claim(conn, job, "pod-2")
    complete(conn, held, "pod-2", DONE)

    found = datum(conn, held.datum_id)
    assert (found.status, found.error_message, found.backtrace) == (DatumStatus.DONE, None, None)
    assert (found.attempted_run_count, found.maximum_allowed_run_count) == (2, 2)
    assert progress(conn, job).status is JobStatus.DONE


def test_waiting_for_another_attempt_shows_why(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)
    held = claim(conn, job)
    complete(conn, held, report=failed())

    found = datum(conn, held.datum_id)
    assert (found.status, found.error_message) == (DatumStatus.READY, "failed: command")
    assert (found.output, found.backtrace) == ("before the crash", "at line 1")


def test_failing_pod_takes_a_fresh_datum_before_its_own_again(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2)
    held = claim(conn, job)

    other = complete(conn, held, report=failed(), claim_next=True).claim
    assert other is not None
    assert other.datum_id != held.datum_id
    again = complete(conn, other, claim_next=True).claim
    assert again is not None
    assert (again.datum_id, again.attempt) == (held.datum_id, 2)


def test_one_failed_datum_makes_the_job_an_error_after_all_others(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2, max_tries=1)
    answer = complete(conn, claim(conn, job), report=failed(), claim_next=True)
    assert progress(conn, job).status is JobStatus.RUNNING
    assert answer.claim is not None
    complete(conn, answer.claim)

    found = progress(conn, job)
    assert (found.status, found.done, found.error) == (JobStatus.ERROR, 1, 1)
    recount.check(conn, job)


def test_lost_workers_datum_is_handed_out_again(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)
    held = claim(conn, job)
    lost = lose(conn, job, failure_class=FailureClass.EVICTED, message="the node is gone")

    assert lost == 1
    again = claim(conn, job, "pod-2")
    assert (again.datum_id, again.attempt) == (held.datum_id, 2)
    assert datum(conn, held.datum_id).error_message == "the node is gone"
    recount.check(conn, job)
