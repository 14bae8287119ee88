"""The rungs of a ladder of memory: when they are asked for workers, and for how many."""

from __future__ import annotations

from uuid import uuid4

import psycopg

from falconeri.db import controls, jobs, rungs
from falconeri.errors import JobNotFound
from falconeri.states import Verdict
from tests.conftest import Connect
from tests.sql import recount
from tests.sql.factories import (
    ask,
    claim,
    complete,
    deferred,
    failed,
    make_job,
    refused,
    set_clock,
    value,
)
from tests.sql.interleaving import blocked
from tests.sql.test_ladder import HUNGRY, join, make, needed, starve


def test_the_first_datum_of_a_rung_asks_for_its_workers_once(conn: psycopg.Connection) -> None:
    job = make(conn, 4)
    for _ in range(3):
        starve(conn, job)
    assert deferred(conn, job) == ["start_workers"] * 2

    starve(conn, job, "big")

    assert deferred(conn, job) == ["start_workers"] * 3


def test_two_that_open_a_rung_at_once_ask_once(connect: Connect) -> None:
    one, two = connect(), connect()
    job = make(one, 4, shards=4)
    first, second = claim(one, job, "pod-1"), claim(one, job, "pod-2")

    with one.transaction():
        complete(one, first, "pod-1", HUNGRY)
        with blocked(two, lambda: complete(two, second, "pod-2", HUNGRY)) as waiting:
            one.execute("commit")
            one.execute("begin")
    assert waiting.result().verdict is Verdict.EMPTY
    assert deferred(one, job) == ["start_workers"] * 2
    recount.check(one, job)


def test_a_rung_needs_a_worker_for_each_datum_up_to_the_parallelism(
    conn: psycopg.Connection,
) -> None:
    job = make(conn, 8, parallelism=3)
    claim(conn, job, "small")
    assert needed(conn, job) == {}
    starve(conn, job)
    assert needed(conn, job) == {1: 1}
    claim(conn, job, "big")
    starve(conn, job)
    assert needed(conn, job) == {1: 2}
    for _ in range(3):
        starve(conn, job)
    assert needed(conn, job) == {1: 3}
    controls.scale_job(conn, job_id=job.job_id, parallelism=0)
    assert needed(conn, job) == {1: 0}


def test_a_rung_is_closed_when_it_had_nothing_for_a_minute(conn: psycopg.Connection) -> None:
    set_clock(conn, "10:00:00")
    job = make(conn, 3)
    starve(conn, job)
    held = claim(conn, job, "big")
    set_clock(conn, "10:30:00")
    assert needed(conn, job) == {1: 1}
    complete(conn, held, "big")
    set_clock(conn, "10:30:59")
    assert needed(conn, job) == {1: 0}

    set_clock(conn, "10:31:00")
    assert needed(conn, job) == {}

    starve(conn, job)
    assert deferred(conn, job) == ["start_workers"] * 3
    assert needed(conn, job) == {1: 1}


def test_what_waits_on_a_closed_rung_is_found_all_the_same(conn: psycopg.Connection) -> None:
    job = make(conn, 1)
    starve(conn, job)
    # As it is left when it is being closed at the very moment at which a datum comes.
    conn.execute("update falconeri.rungs set open = false, active_at = null")

    assert needed(conn, job) == {1: 1}
    assert value(conn, "select open from falconeri.rungs where rung = 1")


def test_a_paused_job_needs_no_more_workers_and_keeps_what_runs(conn: psycopg.Connection) -> None:
    job = make(conn, 3)
    starve(conn, job)
    starve(conn, job)
    claim(conn, job, "big")

    controls.pause_job(conn, job_id=job.job_id)

    assert needed(conn, job) == {1: 1}
    join(conn, job, "big-2", 1)
    assert ask(conn, job, "big-2").verdict is Verdict.EMPTY
    controls.resume_job(conn, job_id=job.job_id)
    assert needed(conn, job) == {1: 2}
    assert claim(conn, job, "big-2").attempt == 2


def test_an_ended_job_needs_no_workers_and_tells_them_so(conn: psycopg.Connection) -> None:
    job = make(conn, 2)
    starve(conn, job)

    jobs.cancel_job(conn, job_id=job.job_id)

    recount.check(conn, job)
    assert needed(conn, job) == {}
    assert ask(conn, job, "big").verdict is Verdict.ENDED


def test_babysitters_that_size_the_rungs_at_once_wait_for_each_other(connect: Connect) -> None:
    one, two = connect(), connect()
    job = make(one, 2)
    starve(one, job)
    one.execute("begin")
    rungs.size_rungs(one)
    complete(one, claim(one, job, "big"), "big")
    with blocked(two, lambda: needed(two, job)) as waiting:
        one.execute("commit")

    assert waiting.result() == {1: 0}  # as it is by then


def test_the_lowest_and_the_raised_ones_of_other_jobs_stay_apart(conn: psycopg.Connection) -> None:
    job, other = make(conn, 2), make(conn, 2)
    starve(conn, job)

    assert ask(conn, other, "big").verdict is Verdict.EMPTY
    assert needed(conn, other) == {}
    assert needed(conn, job) == {1: 1}


def test_the_rungs_say_what_waits_and_what_runs(conn: psycopg.Connection) -> None:
    job = make(conn, 5)
    claim(conn, job, "pod-2")
    starve(conn, job)
    starve(conn, job)
    claim(conn, job, "big")

    found = rungs.list_rungs(conn, job_id=job.job_id)

    assert [(r.rung, r.memory, r.ready, r.running, r.workers) for r in found] == [
        (0, "1Gi", 2, 1, 2),
        (1, "2Gi", 1, 1, 1),
        (2, "4Gi", 0, 0, 1),
    ]
    assert conn.execute(
        "select rung, memory, ready, running, live_workers from report.rungs where job_id = %s",
        (job.job_id,),
    ).fetchall() == [(r.rung, r.memory, r.ready, r.running, r.workers) for r in found]
    assert value(conn, "select raised from report.jobs where job_id = %s", job.job_id) == 1
    assert value(conn, "select rung from report.workers where pod_name = 'huge'") == 2
    assert value(conn, "select max(rung) from report.attempts") == 0


def test_the_rungs_of_no_job(conn: psycopg.Connection) -> None:
    with refused(JobNotFound):
        rungs.list_rungs(conn, job_id=uuid4())


def test_a_retried_job_has_the_same_ladder_and_begins_at_its_foot(conn: psycopg.Connection) -> None:
    make_job(conn, 1, memory=("1Gi", "3Gi"))  # another one
    job = make(conn, 1, max_tries=1)
    starve(conn, job)
    complete(conn, claim(conn, job, "big"), "big", failed())

    again = jobs.retry_job(conn, job_id=job.job_id)

    found = rungs.list_rungs(conn, job_id=again)
    assert [(r.memory, r.ready) for r in found] == [("1Gi", 1), ("2Gi", 0), ("4Gi", 0)]


def test_a_deleted_job_leaves_no_rung(conn: psycopg.Connection) -> None:
    job, other = make(conn, 2), make(conn, 2)
    starve(conn, job)
    jobs.cancel_job(conn, job_id=job.job_id)

    controls.delete_job(conn, job_id=job.job_id, limit=99)

    left = conn.execute("select distinct job_no from falconeri.rungs").fetchall()
    assert left == [(other.job_no,)]
