"""What running programs print: told with heartbeats, seen while the attempt lasts."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product
from uuid import UUID, uuid4

import psycopg

from falconeri.db import datums, jobs, workers
from falconeri.db.jobs import NewJobKey
from falconeri.errors import DatumNotFound, JobNotFound
from falconeri.states import AttemptOutcome, FailureClass
from falconeri.wire.controls import Hold, Worker, WorkerState
from falconeri.wire.work import Claim, Held
from tests.sql.factories import (
    claim,
    complete,
    datum_id,
    failed,
    lose,
    make_job,
    refused,
    set_clock,
    value,
)

KEPT_BYTES = 4096


def beat(conn: psycopg.Connection, job: NewJobKey, *held: Held, pod: str = "pod-1") -> None:
    workers.extend_leases(conn, job_id=job.job_id, pod_name=pod, held=held)


def printing(held: Claim, text: str | None) -> Held:
    return Held(held.datum_id, held.attempt, text)


def tail(conn: psycopg.Connection, datum: UUID) -> str | None:
    return datums.find_log_tail(conn, datum_id=datum)


def listed(
    conn: psycopg.Connection, job: NewJobKey, after: str | None = None, limit: int = 9
) -> list[Worker]:
    return workers.list_workers(conn, job_id=job.job_id, after=after, limit=limit)


def test_what_a_program_prints_is_seen_where_its_datum_is(conn: psycopg.Connection) -> None:
    job = make_job(conn, 3)
    loud, quiet = claim(conn, job), claim(conn, job, slot=1)
    beat(conn, job, printing(loud, "step 1\nstep 2\n"), printing(quiet, None))

    [worker] = listed(conn, job)

    assert [(each.datum_id, each.log_tail) for each in worker.holds] == [
        (loud.datum_id, "step 1\nstep 2\n"),
        (quiet.datum_id, None),
    ]
    assert (tail(conn, loud.datum_id), tail(conn, quiet.datum_id)) == ("step 1\nstep 2\n", None)
    assert value(conn, "select log_tails from report.workers") == ["step 1\nstep 2\n", None]


def test_heartbeat_without_news_leaves_what_was_told(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)
    held = claim(conn, job)
    beat(conn, job, printing(held, "first"))

    beat(conn, job, printing(held, None))
    assert tail(conn, held.datum_id) == "first"
    beat(conn, job, printing(held, "second"))
    assert tail(conn, held.datum_id) == "second"


def test_text_goes_with_its_attempt(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2)
    first = claim(conn, job)
    beat(conn, job, printing(first, "of the first"))
    complete(conn, first, report=failed())
    assert tail(conn, first.datum_id) is None

    again = claim(conn, job)

    assert (again.datum_id, again.attempt) == (first.datum_id, 2)
    assert tail(conn, again.datum_id) is None
    beat(conn, job, printing(first, "too late"))
    assert tail(conn, again.datum_id) is None
    beat(conn, job, printing(again, "of the second"))
    beat(conn, job, printing(first, "too late"))
    assert tail(conn, again.datum_id) == "of the second"


def test_pod_can_tell_only_of_what_it_holds(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2)
    held = claim(conn, job)
    claim(conn, job, "pod-2")

    beat(conn, job, printing(held, "not mine"), Held(uuid4(), 1, "nobody's"), pod="pod-2")

    assert tail(conn, held.datum_id) is None
    assert value(conn, "select count(*) from falconeri.heartbeats where log_tails is not null") == 0


def test_last_four_kilobytes_are_kept_in_whole_characters(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)
    held = claim(conn, job)
    for letter, shift in product("aé€𝄞", range(4)):
        beat(conn, job, printing(held, "first" + letter * 5000 + "b" * shift))

        kept = tail(conn, held.datum_id) or ""

        assert kept.rstrip("b").strip(letter) == ""
        assert KEPT_BYTES - len(letter.encode()) < len(kept.encode()) <= KEPT_BYTES


def test_text_of_exactly_the_limit_is_kept_whole(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)
    held = claim(conn, job)
    text = "é" * (KEPT_BYTES // 2)

    beat(conn, job, printing(held, text))

    assert tail(conn, held.datum_id) == text


def test_history_of_what_was_lost_or_canceled_has_what_was_told_last(
    conn: psycopg.Connection,
) -> None:
    job = make_job(conn, 4)
    lost, silent = claim(conn, job, "dead"), claim(conn, job, "dead", slot=1)
    canceled, other = claim(conn, job), claim(conn, job, "pod-2")
    beat(conn, job, printing(lost, "90 %"), pod="dead")
    beat(conn, job, printing(canceled, "10 %"))
    beat(conn, job, printing(other, "20 %"), pod="pod-2")

    lose(conn, job, "dead", FailureClass.OUT_OF_MEMORY)
    jobs.cancel_job(conn, job_id=job.job_id)

    kept = {
        held.datum_id: [
            (each.outcome, each.output)
            for each in datums.list_attempts(conn, datum_id=held.datum_id)
        ]
        for held in (lost, silent, canceled, other)
    }
    assert kept == {
        lost.datum_id: [(AttemptOutcome.ERROR, "90 %")],
        silent.datum_id: [(AttemptOutcome.ERROR, "")],
        canceled.datum_id: [(AttemptOutcome.CANCELED, "10 %")],
        other.datum_id: [(AttemptOutcome.CANCELED, "20 %")],
    }


def test_history_has_nothing_of_an_attempt_before(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)
    first = claim(conn, job)
    beat(conn, job, printing(first, "of the first"))
    complete(conn, first, report=failed())
    again = claim(conn, job)

    lose(conn, job)

    attempts = datums.list_attempts(conn, datum_id=again.datum_id)
    assert [each.output for each in attempts] == ["before the crash", ""]


def test_ended_job_shows_no_text(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)
    held = claim(conn, job)
    beat(conn, job, printing(held, "busy"))
    jobs.cancel_job(conn, job_id=job.job_id)

    assert tail(conn, held.datum_id) is None
    [worker] = listed(conn, job)
    assert (worker.state, worker.holds) == (WorkerState.ENDED, [])


def test_updates_of_heartbeats_stay_on_their_page_and_out_of_the_index(
    conn: psycopg.Connection,
) -> None:
    job = make_job(conn, 50)
    held = {f"pod-{i}": claim(conn, job, f"pod-{i}") for i in range(50)}
    for turn in range(6):
        for pod, each in held.items():
            # As hard to compress as text can be, so that it would not fit into a narrow row.
            noise = value(
                conn, "select string_agg(gen_random_uuid()::text, ' ') from generate_series(1, 100)"
            )
            beat(conn, job, printing(each, f"{turn} {noise}"), pod=pod)
    conn.execute("select pg_stat_force_next_flush()")

    row = conn.execute(
        "select n_tup_upd, n_tup_hot_upd, pg_relation_size(relid) / 8192"
        " from pg_stat_user_tables where relname = 'heartbeats'"
    ).fetchone()

    assert row is not None
    updates, hot, pages = row
    # An analyze at the wrong moment sees old versions, which then can't make room at once.
    assert updates == 250
    assert hot >= 200
    assert pages <= 8


def test_workers_are_listed_with_what_they_hold_and_what_they_died_of(
    conn: psycopg.Connection,
) -> None:
    job = make_job(conn, 4)
    set_clock(conn, "09:00:00")
    dead = claim(conn, job, "pod-dead")
    complete(conn, claim(conn, job, "pod-idle"), "pod-idle")
    set_clock(conn, "09:00:10")
    busy = claim(conn, job, "pod-busy", slot=3)
    set_clock(conn, "09:00:20")
    beat(conn, job, printing(busy, "on it"), pod="pod-busy")
    lose(conn, job, "pod-dead", FailureClass.EVICTED, "drained")
    nine = datetime(2100, 1, 1, 9, tzinfo=UTC).replace(tzinfo=None)

    found = listed(conn, job)

    assert found == [
        Worker(
            "pod-busy",
            "node-1",
            WorkerState.WORKING,
            nine.replace(second=10),
            nine.replace(second=20),
            [Hold(busy.datum_id, 1, 3, nine.replace(second=10), "on it")],
            None,
            None,
            None,
        ),
        Worker(
            "pod-dead",
            "node-1",
            WorkerState.ENDED,
            nine,
            None,
            [],
            nine.replace(second=20),
            FailureClass.EVICTED,
            "drained",
        ),
        Worker("pod-idle", "node-1", WorkerState.IDLE, nine, None, [], None, None, None),
    ]
    assert dead.datum_id != busy.datum_id


def test_workers_are_listed_by_the_page_and_by_job(conn: psycopg.Connection) -> None:
    job, other = make_job(conn, 5), make_job(conn, 1)
    for pod in "dbeac":
        claim(conn, job, pod)
    claim(conn, other, "z")

    pages = [listed(conn, job, after, 2) for after in (None, "b", "bb", "d", "e")]

    assert [[worker.pod_name for worker in page] for page in pages] == [
        ["a", "b"],
        ["c", "d"],
        ["c", "d"],
        ["e"],
        [],
    ]


def test_unknown_ones_are_refused(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)

    with refused(JobNotFound):
        workers.list_workers(conn, job_id=uuid4(), after=None, limit=1)
    with refused(DatumNotFound):
        tail(conn, uuid4())
    assert tail(conn, datum_id(conn, job, 1)) is None


def test_server_may_tell_and_look(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)
    conn.execute("set role falconeri_server")
    held = claim(conn, job)
    beat(conn, job, printing(held, "hello"))

    assert listed(conn, job)[0].holds[0].log_tail == tail(conn, held.datum_id) == "hello"
