from uuid import uuid4

import psycopg
import pytest

from falconeri.db import jobs
from falconeri.errors import ClaimLost, DatumNotFound, InvalidInput
from falconeri.states import AttemptOutcome, DatumStatus, FailureClass, JobStatus, Verdict
from falconeri.wire.work import Claim, Report
from tests.conftest import Connect
from tests.sql import recount
from tests.sql.factories import (
    DONE,
    ask,
    claim,
    complete,
    datum,
    failed,
    lose,
    make_job,
    progress,
    refused,
    set_clock,
    value,
)
from tests.sql.interleaving import blocked, notified


def test_success_is_recorded_and_the_next_datum_handed_out(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2)
    held = claim(conn, job)

    answer = complete(conn, held, claim_next=True)

    assert answer.claim is not None
    assert answer.claim.datum_id != held.datum_id
    found = datum(conn, held.datum_id)
    assert (found.status, found.output, found.error_message) == (
        DatumStatus.DONE,
        "all well",
        None,
    )
    recount.check(conn, job)


def test_report_is_kept_whole(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)
    report = Report(
        outcome=AttemptOutcome.ERROR,
        failure_class=FailureClass.OUT_OF_MEMORY,
        output="…",
        error_message="killed",
        backtrace="trace",
        exit_code=137,
        signal=9,
        bytes_in=2**40,
        bytes_out=0,
        cpu_s=1.5,
        peak_memory_bytes=2**33,
    )

    complete(conn, claim(conn, job), report=report)

    row = conn.execute(
        """
        select outcome, failure_class, output, error_message, backtrace, exit_code, signal,
          bytes_in, bytes_out, cpu_s, peak_memory_bytes
        from falconeri.attempts
        """
    ).fetchone()
    assert row == (
        *("error", "out_of_memory", "…", "killed", "trace"),
        *(137, 9, 2**40, 0, 1.5, 2**33),
    )


def test_of_a_huge_text_the_end_is_kept(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2, max_tries=1)
    huge = "x" + "y" * 999_999 + "z"
    complete(conn, claim(conn, job), report=Report(outcome=AttemptOutcome.DONE, output=huge))
    report = Report(
        outcome=AttemptOutcome.ERROR,
        failure_class=FailureClass.COMMAND,
        output=huge,
        error_message=huge,
        backtrace=huge,
    )
    complete(conn, claim(conn, job), report=report)

    rows = conn.execute(
        "select output, error_message, backtrace from falconeri.attempts order by seq"
    ).fetchall()
    assert rows == [(huge[1:], None, None), (huge[1:],) * 3]


def test_report_of_a_success_is_kept_whole(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)
    report = Report(
        outcome=AttemptOutcome.DONE,
        output="…",
        exit_code=3,
        bytes_in=2**40,
        bytes_out=0,
        cpu_s=1.5,
        peak_memory_bytes=2**33,
    )

    complete(conn, claim(conn, job), report=report)

    row = conn.execute(
        """
        select outcome, failure_class, output, exit_code, bytes_in, bytes_out, cpu_s,
          peak_memory_bytes
        from falconeri.attempts
        """
    ).fetchone()
    assert row == ("done", None, "…", 3, 2**40, 0, 1.5, 2**33)


def test_slot_stays_idle_when_no_next_datum_is_wanted(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2)

    answer = complete(conn, claim(conn, job), claim_next=False)

    assert answer.verdict is Verdict.EMPTY
    assert progress(conn, job).ready == 1


def test_next_datum_may_come_from_another_shard(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2, shards=2)
    answer = complete(conn, claim(conn, job), claim_next=True)

    assert answer.claim is not None
    assert complete(conn, answer.claim, claim_next=True).verdict is Verdict.ENDED


def test_last_success_ends_the_job(conn: psycopg.Connection, connect: Connect) -> None:
    job = make_job(conn, 1)
    listener = connect()
    listener.execute("listen falconeri_job")

    assert complete(conn, claim(conn, job), claim_next=True).verdict is Verdict.ENDED

    assert progress(conn, job).status is JobStatus.DONE
    assert notified(listener) == [str(job.job_id)]
    recount.check(conn, job)


def test_successes_and_claims_notify_nobody(conn: psycopg.Connection, connect: Connect) -> None:
    job = make_job(conn, 3)
    listener = connect()
    listener.execute("listen falconeri_job")

    complete(conn, claim(conn, job), claim_next=True)

    assert notified(listener) == []


@pytest.mark.parametrize("claim_next", [True, False])
@pytest.mark.parametrize("report", [DONE, failed()], ids=["success", "failure"])
def test_other_slots_keep_what_they_hold(
    conn: psycopg.Connection, report: Report, *, claim_next: bool
) -> None:
    job = make_job(conn, 5)
    held = [claim(conn, job, slot=slot) for slot in range(3)]

    complete(conn, held[1], report=report, claim_next=claim_next)

    assert [claim(conn, job, slot=slot) for slot in (0, 2)] == [held[0], held[2]]
    recount.check(conn, job)


@pytest.mark.parametrize("report", [DONE, failed()], ids=["success", "failure"])
def test_attempt_lasts_from_its_claim_to_its_end(conn: psycopg.Connection, report: Report) -> None:
    job = make_job(conn, 2)
    set_clock(conn, "00:00:10")
    held = claim(conn, job)
    set_clock(conn, "00:00:25")
    taken = complete(conn, held, report=report, claim_next=True).claim
    assert taken is not None
    set_clock(conn, "00:00:45")
    complete(conn, taken, report=report)

    found = conn.execute(
        """
        select extract(second from started_at)::int, extract(second from finished_at)::int
        from falconeri.attempts order by seq
        """
    ).fetchall()
    assert found == [(10, 25), (25, 45)]


@pytest.mark.parametrize(
    ("pod", "attempt_offset"), [("pod-2", 0), ("pod-1", 1)], ids=["other pod", "other attempt"]
)
def test_completion_of_anothers_attempt_is_refused(
    conn: psycopg.Connection, pod: str, attempt_offset: int
) -> None:
    job = make_job(conn, 2)
    held = claim(conn, job)
    claim(conn, job, "pod-2")

    with refused(ClaimLost):
        complete(conn, Claim(held.datum_id, held.attempt + attempt_offset, held.inputs), pod)
    assert progress(conn, job).running == 2


@pytest.mark.parametrize("report", [DONE, failed()], ids=["success", "failure"])
def test_report_of_a_lost_attempt_is_refused(conn: psycopg.Connection, report: Report) -> None:
    job = make_job(conn, 2)
    held = claim(conn, job)
    lose(conn, job)

    with refused(ClaimLost):
        complete(conn, held, report=report)


@pytest.mark.parametrize("report", [DONE, failed()], ids=["success", "failure"])
def test_completion_in_a_canceled_job_is_refused(conn: psycopg.Connection, report: Report) -> None:
    job = make_job(conn, 2)
    held = claim(conn, job)
    jobs.cancel_job(conn, job_id=job.job_id)

    with refused(ClaimLost):
        complete(conn, held, report=report)
    assert datum(conn, held.datum_id).status is DatumStatus.CANCELED
    recount.check(conn, job)


@pytest.mark.parametrize("foreign", ["random", "beyond", "job"])
def test_completion_of_no_datum_is_refused(conn: psycopg.Connection, foreign: str) -> None:
    job = make_job(conn, 2)
    unknown = {
        "random": uuid4(),
        "beyond": value(conn, "select falconeri._datum_id(%s, 3)", job.job_no),
        "job": job.job_id,
    }[foreign]

    with refused(DatumNotFound):
        complete(conn, Claim(unknown, 1, []))


@pytest.mark.parametrize(
    "report",
    [
        Report(outcome=AttemptOutcome.CANCELED),
        Report(
            outcome=AttemptOutcome.CANCELED, failure_class=FailureClass.COMMAND, error_message="x"
        ),
        Report(outcome=AttemptOutcome.DONE, failure_class=FailureClass.COMMAND),
        Report(outcome=AttemptOutcome.ERROR, error_message="no class"),
        Report(outcome=AttemptOutcome.ERROR, failure_class=FailureClass.COMMAND),
    ],
    ids=["canceled", "canceled failure", "failed success", "no class", "no message"],
)
def test_report_of_neither_success_nor_failure_is_refused(
    conn: psycopg.Connection, report: Report
) -> None:
    job = make_job(conn, 1)
    held = claim(conn, job)

    with refused(InvalidInput):
        complete(conn, held, report=report)
    assert progress(conn, job).running == 1


def test_report_of_nothing_is_refused(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)
    held = claim(conn, job)

    with refused(InvalidInput):
        conn.execute(
            "select falconeri.complete_and_claim(%s, 'pod-1', 1, null, false)", (held.datum_id,)
        )


def test_last_datums_of_two_shards_completed_at_once_end_the_job_once(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_job(conn, 2, shards=2)
    one, two = claim(conn, job, "pod-1"), claim(conn, job, "pod-2")
    other, listener = connect(), connect()
    listener.execute("listen falconeri_job")
    other.execute("begin")
    assert complete(other, one, "pod-1", claim_next=True).verdict is Verdict.EMPTY
    with blocked(conn, lambda: complete(conn, two, "pod-2", claim_next=True)) as second:
        other.execute("commit")

    assert second.result().verdict is Verdict.ENDED
    assert notified(listener) == [str(job.job_id)]
    assert progress(conn, job).status is JobStatus.DONE
    recount.check(conn, job)


def test_job_goes_on_until_the_last_shard_of_a_group_ends(conn: psycopg.Connection) -> None:
    job = make_job(conn, 18, shards=18)  # two groups have two of them
    held = [claim(conn, job, f"pod-{number}") for number in range(18)]
    for number in range(17):
        complete(conn, held[number], f"pod-{number}")
        recount.check(conn, job)

    assert progress(conn, job).status is JobStatus.RUNNING
    complete(conn, held[17], "pod-17")
    assert progress(conn, job).status is JobStatus.DONE


def test_completions_in_two_shards_do_not_wait_for_each_other(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_job(conn, 4, shards=2)
    one, two = claim(conn, job, "pod-1"), claim(conn, job, "pod-2")
    other = connect()
    with other.transaction():
        complete(other, one, "pod-1", claim_next=True)
        assert complete(conn, two, "pod-2", claim_next=True).claim

    recount.check(conn, job)


def test_end_of_the_job_is_seen_by_those_who_ask(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2)
    one, two = claim(conn, job, "pod-1"), claim(conn, job, "pod-2")
    complete(conn, one, "pod-1")
    assert ask(conn, job, "pod-3").verdict is Verdict.EMPTY
    complete(conn, two, "pod-2")

    assert ask(conn, job, "pod-3").verdict is Verdict.ENDED
