"""Objects that failed attempts leave behind: asked for, taken, given back, gone."""

from collections.abc import Callable
from functools import partial

import psycopg
import pytest

from falconeri.db import controls, jobs, outputs, workers
from falconeri.db.jobs import NewJobKey
from falconeri.errors import OutputBusy
from tests.conftest import Connect
from tests.sql.factories import DONE, claim, complete, failed, lose, make_job, refused, set_now
from tests.sql.interleaving import blocked
from tests.sql.output_calls import A, B, deletions, register, registered

C = "s3://out/c"


def leave_behind(conn: psycopg.Connection, *uris: str) -> NewJobKey:
    """A job that has failed, and has left these objects; A, if none is named."""
    job = make_job(conn, 1, max_tries=1)
    held = claim(conn, job)
    register(conn, held, uris or [A])
    complete(conn, held, report=failed())
    return job


def test_failed_attempts_files_are_deleted_after_the_job(conn: psycopg.Connection) -> None:
    job = leave_behind(conn)

    taken = outputs.take_deletions(conn, limit=9)

    assert [(d.uri, d.job_id) for d in taken] == [(A, job.job_id)]
    assert taken[0].pipeline_spec == {"pipeline": {"name": "words"}}
    assert outputs.take_deletions(conn, limit=9) == []
    outputs.settle_deletion(conn, job_id=job.job_id, uri=A)
    outputs.settle_deletion(conn, job_id=job.job_id, uri=A)
    assert deletions(conn) == []


def test_nothing_is_deleted_while_its_datum_may_still_write_it(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)
    held = claim(conn, job)
    register(conn, held, [A])
    complete(conn, held, report=failed())

    assert outputs.take_deletions(conn, limit=9) == []


def test_what_a_silent_worker_may_still_write_is_deleted_a_lease_later(
    conn: psycopg.Connection,
) -> None:
    job = make_job(conn, 2)
    register(conn, claim(conn, job, "dead"), [A], "dead")
    register(conn, claim(conn, job, "silent"), [B], "silent")
    set_now(conn, in_s=30)
    lose(conn, job, "dead")
    set_now(conn, in_s=61)
    assert workers.requeue_expired(conn, limit=9).lost == 1
    jobs.cancel_job(conn, job_id=job.job_id)

    assert [d.uri for d in outputs.take_deletions(conn, limit=9)] == [A]
    set_now(conn, in_s=120)
    assert outputs.take_deletions(conn, limit=9) == []
    set_now(conn, in_s=122)
    assert [d.uri for d in outputs.take_deletions(conn, limit=9)] == [B]


def test_next_attempt_takes_the_name_back(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)
    held = claim(conn, job)
    register(conn, held, [A, B])
    complete(conn, held, report=failed())
    assert deletions(conn) == [A, B]

    again = claim(conn, job)
    register(conn, again, [A])
    complete(conn, again)

    assert deletions(conn) == [B]
    assert [d.uri for d in outputs.take_deletions(conn, limit=9)] == [B]


def test_retried_job_takes_the_name_back(conn: psycopg.Connection) -> None:
    leave_behind(conn)
    again = claim(conn, make_job(conn, 1))
    register(conn, again, [A])

    assert deletions(conn) == []


def test_object_that_another_job_wrote_is_not_deleted(conn: psycopg.Connection) -> None:
    done = claim(conn, make_job(conn, 1))
    register(conn, done, [A])
    complete(conn, done)
    leave_behind(conn)

    assert outputs.take_deletions(conn, limit=9) == []


def test_name_that_is_being_deleted_is_busy(conn: psycopg.Connection) -> None:
    job = leave_behind(conn)
    outputs.take_deletions(conn, limit=9)
    new = claim(conn, make_job(conn, 1))

    with refused(OutputBusy):
        register(conn, new, [A])
    outputs.settle_deletion(conn, job_id=job.job_id, uri=A)
    assert len(register(conn, new, [A])) == 1


def test_two_babysitters_take_different_objects(conn: psycopg.Connection, connect: Connect) -> None:
    job = make_job(conn, 1, max_tries=1)
    held = claim(conn, job)
    register(conn, held, [A, B])
    complete(conn, held, report=failed())
    other = connect()
    with other.transaction():
        first = outputs.take_deletions(other, limit=1)
        second = outputs.take_deletions(conn, limit=9)

    assert {d.uri for d in first} | {d.uri for d in second} == {A, B}
    assert len(first) == len(second) == 1


def test_object_of_a_dead_babysitter_is_taken_again(conn: psycopg.Connection) -> None:
    leave_behind(conn)
    outputs.take_deletions(conn, limit=9)

    set_now(conn, in_s=590)
    assert outputs.take_deletions(conn, limit=9) == []
    set_now(conn, in_s=610)

    assert [d.uri for d in outputs.take_deletions(conn, limit=9)] == [A]


def test_object_that_could_not_be_deleted_is_tried_again_later(conn: psycopg.Connection) -> None:
    job = leave_behind(conn)
    outputs.take_deletions(conn, limit=9)

    outputs.release_deletion(conn, job_id=job.job_id, uri=A)

    for in_s in (0, 590):
        set_now(conn, in_s=in_s)
        assert outputs.take_deletions(conn, limit=9) == []
    set_now(conn, in_s=610)
    assert [d.uri for d in outputs.take_deletions(conn, limit=9)] == [A]


def test_name_whose_deletion_failed_may_be_written_meanwhile(conn: psycopg.Connection) -> None:
    job = leave_behind(conn)
    outputs.take_deletions(conn, limit=9)
    outputs.release_deletion(conn, job_id=job.job_id, uri=A)

    register(conn, claim(conn, make_job(conn, 1)), [A])

    assert deletions(conn) == []


def test_what_was_left_first_is_deleted_first(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2, max_tries=1)
    for uri in (B, A):
        held = claim(conn, job)
        register(conn, held, [uri])
        complete(conn, held, report=failed())
    conn.execute("update falconeri.deletions set seq = seq where uri = %s", (B,))  # now the last

    assert [d.uri for d in outputs.take_deletions(conn, limit=1)] == [B]


OF_ONE = [outputs.settle_deletion, outputs.release_deletion]


@pytest.mark.parametrize("say", OF_ONE)
def test_name_is_busy_until_the_end_of_its_deletion_is_over(
    conn: psycopg.Connection, connect: Connect, say: Callable[..., None]
) -> None:
    job = leave_behind(conn)
    outputs.take_deletions(conn, limit=9)
    new = claim(conn, make_job(conn, 1))
    other = connect()
    conn.execute("set lock_timeout = '1s'")
    with other.transaction():
        say(other, job_id=job.job_id, uri=A)
        with refused(OutputBusy):  # nor is it waited for
            register(conn, new, [A])

    assert len(register(conn, new, [A])) == 1
    assert deletions(conn) == []


@pytest.mark.parametrize("say", OF_ONE)
def test_late_word_of_a_deletion_leaves_a_name_that_is_being_registered(
    conn: psycopg.Connection, connect: Connect, say: Callable[..., None]
) -> None:
    job = leave_behind(conn)
    outputs.take_deletions(conn, limit=9)
    outputs.release_deletion(conn, job_id=job.job_id, uri=A)  # another babysitter still has it
    new = claim(conn, make_job(conn, 1))
    other = connect()
    other.execute("begin")
    register(other, new, [A])
    with blocked(conn, partial(say, conn, job_id=job.job_id, uri=A)) as said:
        other.execute("commit")

    assert said.exception() is None
    assert (deletions(conn), registered(conn)) == ([], [A])


def test_name_that_is_being_taken_for_deletion_is_waited_for_and_busy(
    conn: psycopg.Connection, connect: Connect
) -> None:
    leave_behind(conn)
    new = claim(conn, make_job(conn, 1))
    other = connect()
    other.execute("begin")
    assert len(outputs.take_deletions(other, limit=9)) == 1
    with blocked(conn, lambda: register(conn, new, [A])) as registration:
        other.execute("commit")

    with refused(OutputBusy):
        registration.result()
    assert (deletions(conn), registered(conn)) == ([A], [])


def leave_behind_by_two(conn: psycopg.Connection) -> list[NewJobKey]:
    """Two jobs that have ended, each of which has left A."""
    ended = [make_job(conn, 0) for _ in range(2)]
    for job in ended:
        conn.execute(
            """
            insert into falconeri.deletions (job_no, uri, seq, requested_at)
            values (%s, %s, 1, now())
            """,
            (job.job_no, A),
        )
    return ended


def test_object_of_two_jobs_is_settled_for_each(conn: psycopg.Connection) -> None:
    ended = leave_behind_by_two(conn)

    outputs.settle_deletion(conn, job_id=ended[0].job_id, uri=A)

    assert [d.job_id for d in outputs.take_deletions(conn, limit=9)] == [ended[1].job_id]


def test_object_of_two_jobs_is_taken_once_for_each(conn: psycopg.Connection) -> None:
    ended = leave_behind_by_two(conn)

    taken = [outputs.take_deletions(conn, limit=1) for _ in range(3)]

    assert [len(each) for each in taken] == [1, 1, 0]
    assert {d.job_id for each in taken for d in each} == {job.job_id for job in ended}


def test_object_of_two_jobs_is_busy_until_neither_is_deleting_it(conn: psycopg.Connection) -> None:
    ended = leave_behind_by_two(conn)
    assert len(outputs.take_deletions(conn, limit=9)) == 2
    new = claim(conn, make_job(conn, 1))

    outputs.release_deletion(conn, job_id=ended[0].job_id, uri=A)
    with refused(OutputBusy):
        register(conn, new, [A])
    outputs.release_deletion(conn, job_id=ended[1].job_id, uri=A)

    assert len(register(conn, new, [A])) == 1


def test_each_object_of_a_job_is_given_back_and_settled_by_itself(
    conn: psycopg.Connection,
) -> None:
    job = leave_behind(conn, A, B, C)
    outputs.take_deletions(conn, limit=9)

    outputs.release_deletion(conn, job_id=job.job_id, uri=A)
    outputs.settle_deletion(conn, job_id=job.job_id, uri=B)

    assert deletions(conn) == [A, C]
    new = claim(conn, make_job(conn, 1))
    with refused(OutputBusy):
        register(conn, new, [C])
    assert len(register(conn, new, [A, B])) == 2


def test_deletions_for_results_are_taken_in_the_order_of_their_names(
    conn: psycopg.Connection, connect: Connect
) -> None:
    good, bad = make_job(conn, 1), make_job(conn, 1, max_tries=1)
    for job, report in ((good, DONE), (bad, failed())):
        held = claim(conn, job)
        register(conn, held, [A, B])
        complete(conn, held, report=report)
    conn.execute("update falconeri.deletions set seq = seq where uri = %s", (A,))  # now the last
    other, third = connect(), connect()
    other.execute("begin")
    other.execute("select from falconeri.deletions where uri = %s for update", (A,))
    with blocked(conn, lambda: controls.delete_job(conn, job_id=good.job_id, limit=9)) as deleted:
        third.execute("select from falconeri.deletions where uri = %s for update nowait", (B,))
        other.execute("commit")

    assert not deleted.result()
    assert deletions(conn) == []
