"""The same completion twice: its answer got lost, or came too late."""

from contextlib import nullcontext

import psycopg
import pytest

from falconeri.db import datums
from falconeri.errors import ClaimLost
from falconeri.states import FailureClass, Verdict
from falconeri.wire.work import Report
from tests.conftest import Connect
from tests.sql import recount
from tests.sql.factories import (
    DONE,
    claim,
    complete,
    datum_id,
    failed,
    make_job,
    progress,
    refused,
    value,
)
from tests.sql.interleaving import blocked


@pytest.mark.parametrize("claim_next", [True, False])
def test_repeated_success_answers_what_the_slot_holds_now(
    conn: psycopg.Connection, *, claim_next: bool
) -> None:
    job = make_job(conn, 3)
    held = claim(conn, job)
    first = complete(conn, held, claim_next=claim_next)

    assert complete(conn, held, claim_next=claim_next) == first
    assert progress(conn, job).done == 1
    recount.check(conn, job)


@pytest.mark.parametrize("report", [DONE, failed()], ids=["success", "failure"])
def test_repeat_is_answered_for_the_slot_of_its_attempt(
    conn: psycopg.Connection, report: Report
) -> None:
    job = make_job(conn, 9)
    claim(conn, job)
    ahead = claim(conn, job, slot=1)

    first = complete(conn, ahead, report=report, claim_next=True)

    assert complete(conn, ahead, report=report, claim_next=True) == first


def test_repeat_without_an_attempts_number_is_fine(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2)
    held = claim(conn, job)
    for _ in range(2):
        datums.complete_and_claim(
            conn,
            datum_id=held.datum_id,
            pod_name="pod-1",
            attempt=None,
            report=DONE,
            claim_next=False,
        )

    assert progress(conn, job).done == 1


def test_repeat_without_an_attempts_number_is_of_the_last_one(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1, max_tries=3)
    for pod in ("pod-1", "pod-2"):
        complete(conn, claim(conn, job, pod), pod, failed())

    for pod in ("pod-1", "pod-2"):
        with refused(ClaimLost) if pod == "pod-1" else nullcontext():
            datums.complete_and_claim(
                conn,
                datum_id=datum_id(conn, job, 1),
                pod_name=pod,
                attempt=None,
                report=failed(),
                claim_next=False,
            )


def test_pod_without_heartbeats_has_none_after_a_repeat(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2)
    held = claim(conn, job, leased=False)
    complete(conn, held)

    assert complete(conn, held, claim_next=True).claim

    assert not value(conn, "select leased from falconeri.workers")


def test_repeat_of_the_jobs_last_completion_is_told_that_it_ended(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)
    held = claim(conn, job)
    complete(conn, held, claim_next=True)

    assert complete(conn, held, claim_next=True).verdict is Verdict.ENDED


def test_repeated_failure_is_counted_once(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1, max_tries=3)
    held = claim(conn, job)
    first = complete(conn, held, report=failed(), claim_next=True)

    assert complete(conn, held, report=failed(), claim_next=True) == first
    assert progress(conn, job).failed_attempts == 1


def test_failure_may_be_repeated_after_others_have_tried_again(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2)
    held = claim(conn, job)
    complete(conn, held, report=failed())
    complete(conn, claim(conn, job, "pod-2"), "pod-2")

    assert complete(conn, held, report=failed()).verdict is Verdict.EMPTY
    assert progress(conn, job).failed_attempts == 1


def test_what_one_pod_has_completed_another_cannot_repeat(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2)
    held = claim(conn, job)
    complete(conn, held)
    claim(conn, job, "pod-2")

    with refused(ClaimLost):
        complete(conn, held, "pod-2")


def test_other_outcome_than_before_is_no_repeat(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2)
    held = claim(conn, job)
    complete(conn, held)

    with refused(ClaimLost):
        complete(conn, held, report=failed())


def test_failure_of_another_class_than_before_is_no_repeat(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2, max_tries=2)
    held = claim(conn, job)
    complete(conn, held, report=failed(FailureClass.COMMAND))

    with refused(ClaimLost):
        complete(conn, held, report=failed(FailureClass.TIMEOUT))


def test_two_completions_of_one_attempt_at_once_count_once(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_job(conn, 3)
    held = claim(conn, job)
    other = connect()
    other.execute("begin")
    first = complete(other, held, claim_next=True)
    with blocked(conn, lambda: complete(conn, held, claim_next=True)) as second:
        other.execute("commit")

    assert second.result() == first
    assert progress(conn, job).done == 1
    recount.check(conn, job)
