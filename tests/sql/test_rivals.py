"""Files that two running jobs would write: the second is refused, whoever comes first."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random

import psycopg
import pytest

from falconeri.db import controls, jobs, outputs
from falconeri.db.jobs import NewJobKey
from falconeri.errors import ClaimLost, OutputBusy, OutputClash
from tests.conftest import Connect
from tests.sql.factories import DONE, claim, complete, failed, make_job, refused, set_now
from tests.sql.interleaving import blocked
from tests.sql.output_calls import A, B, deletions, register, registered


def end(conn: psycopg.Connection, job: NewJobKey) -> None:
    """End a job, and let a lease go by: nobody writes its files any more."""
    jobs.cancel_job(conn, job_id=job.job_id)
    set_now(conn, in_s=61)


def test_clash_names_the_file_both_datums_and_the_other_job(conn: psycopg.Connection) -> None:
    first, second = make_job(conn, 1), make_job(conn, 1)
    theirs, mine = claim(conn, first), claim(conn, second)
    register(conn, theirs, [A])

    with pytest.raises(psycopg.DatabaseError) as caught:
        register(conn, mine, [B, A])

    assert caught.value.sqlstate == OutputClash.sqlstate
    assert caught.value.diag.message_primary == "two running jobs write the same output"
    assert json.loads(caught.value.diag.message_detail or "") == {
        "uri": A,
        "datum_id": str(mine.datum_id),
        "other_datum_id": str(theirs.datum_id),
        "other_job_id": str(first.job_id),
    }
    assert registered(conn) == [A]


def test_clash_within_a_job_is_called_so_though_it_has_rivals(conn: psycopg.Connection) -> None:
    job, _rival = make_job(conn, 2), make_job(conn, 1)
    mine, other = claim(conn, job), claim(conn, job, "pod-2")
    register(conn, mine, [A])

    with pytest.raises(psycopg.DatabaseError) as caught:
        register(conn, other, [A], "pod-2")

    assert caught.value.diag.message_primary == "two datums write the same output"


def test_what_an_ended_job_wrote_is_free_though_there_are_rivals(conn: psycopg.Connection) -> None:
    ended, job, _rival = make_job(conn, 1), make_job(conn, 1), make_job(conn, 1)
    register(conn, held := claim(conn, ended), [A])
    complete(conn, held)

    assert [file.uri for file in register(conn, claim(conn, job), [A])] == [A]


def test_the_first_of_several_clashes_is_named(conn: psycopg.Connection) -> None:
    first, second = make_job(conn, 1), make_job(conn, 1)
    register(conn, claim(conn, first), [B, A])

    with pytest.raises(psycopg.DatabaseError) as caught:
        register(conn, claim(conn, second), [B, A])

    assert json.loads(caught.value.diag.message_detail or "")["uri"] == A


def test_rivals_do_not_wait_for_each_other_over_different_names(
    conn: psycopg.Connection, connect: Connect
) -> None:
    held, other = (claim(conn, make_job(conn, 1)) for _ in range(2))
    (name,) = conn.execute(  # one for which another lock stands
        "select 's3://out/' || i from generate_series(1, 99) i"
        " where hashtext('s3://out/' || i) & 63 <> hashtext(%s) & 63 limit 1",
        (A,),
    ).fetchone() or ("",)
    third = connect()
    third.execute("set lock_timeout = '30s'")
    with conn.transaction():
        register(conn, held, [A])
        assert [file.uri for file in register(third, other, [name])] == [name]


def test_file_of_a_done_datum_is_refused_as_long_as_its_job_runs(conn: psycopg.Connection) -> None:
    first = make_job(conn, 2)
    held = claim(conn, first)
    register(conn, held, [A])
    complete(conn, held)
    mine = claim(conn, make_job(conn, 1))

    with refused(OutputClash):
        register(conn, mine, [A])
    controls.pause_job(conn, job_id=first.job_id)
    with refused(OutputClash):
        register(conn, mine, [A])
    end(conn, first)

    assert [file.uri for file in register(conn, mine, [A])] == [A]
    assert registered(conn) == [A, A]


@pytest.mark.parametrize(
    ("first", "second"),
    [("s3://out/", "s3://out/sub/"), ("s3://out/sub", "s3://out"), ("s3://out/sub/", "s3://out")],
)
def test_clash_is_seen_if_one_egress_lies_in_the_other(
    conn: psycopg.Connection, first: str, second: str
) -> None:
    uri = "s3://out/sub/a"
    register(conn, claim(conn, make_job(conn, 1, egress_uri=first)), [uri])

    with refused(OutputClash):
        register(conn, claim(conn, make_job(conn, 1, egress_uri=second)), [uri])


def test_other_names_in_the_same_place_are_free(conn: psycopg.Connection) -> None:
    register(conn, claim(conn, make_job(conn, 1)), [A])

    register(conn, claim(conn, make_job(conn, 1)), [B])

    assert registered(conn) == [A, B]


def test_name_that_a_failed_attempt_gave_up_is_taken_over_and_then_refused_to_its_next_one(
    conn: psycopg.Connection,
) -> None:
    first, second = make_job(conn, 1), make_job(conn, 1)
    lost = claim(conn, first)
    register(conn, lost, [A])
    complete(conn, lost, report=failed())
    mine = claim(conn, second)
    register(conn, mine, [A])

    with refused(OutputClash):
        register(conn, claim(conn, first), [A])
    end(conn, first)

    assert deletions(conn) == []
    assert outputs.take_deletions(conn, limit=9) == []


def test_later_jobs_object_stays_when_the_earlier_one_fails_after_it(
    conn: psycopg.Connection,
) -> None:
    # The earlier one's request is made while the later one has the name.
    first, second = make_job(conn, 1, max_tries=1), make_job(conn, 1)
    mine = claim(conn, second)
    register(conn, mine, [A])
    complete(conn, mine)
    held = claim(conn, first)
    register(conn, held, [A])
    complete(conn, held, report=failed())

    assert deletions(conn) == [A]
    assert outputs.take_deletions(conn, limit=9) == []


def test_registration_of_a_rival_under_way_is_waited_for_and_seen(
    conn: psycopg.Connection, connect: Connect
) -> None:
    theirs, mine = claim(conn, make_job(conn, 1)), claim(conn, make_job(conn, 1))
    other = connect()
    other.execute("begin")
    register(other, theirs, [A])
    with blocked(conn, lambda: register(conn, mine, [A])) as second:
        other.execute("commit")

    with refused(OutputClash):
        second.result()
    assert registered(conn) == [A]


def test_registration_of_a_rival_that_is_rolled_back_leaves_the_name_free(
    conn: psycopg.Connection, connect: Connect
) -> None:
    theirs, mine = claim(conn, make_job(conn, 1)), claim(conn, make_job(conn, 1))
    other = connect()
    other.execute("begin")
    register(other, theirs, [A])
    with blocked(conn, lambda: register(conn, mine, [A])) as second:
        other.execute("rollback")

    assert [file.uri for file in second.result()] == [A]


def test_job_that_appears_during_a_registration_waits_for_it(
    conn: psycopg.Connection, connect: Connect
) -> None:
    # Alone, the first one took its locks shared; nobody else was there to see.
    held = claim(conn, make_job(conn, 1))
    other = connect()
    other.execute("begin")
    register(other, held, [A])
    rival = claim(conn, make_job(conn, 1))
    with blocked(conn, lambda: register(conn, rival, [A])) as second:
        other.execute("commit")

    with refused(OutputClash):
        second.result()


def test_rival_that_came_while_its_locks_were_awaited_is_seen(
    conn: psycopg.Connection, connect: Connect
) -> None:
    # It finds itself alone and waits for a lock; meanwhile a rival begins, and registers first.
    held = claim(conn, make_job(conn, 1))
    holder = connect()
    holder.execute("begin")
    holder.execute("select pg_advisory_xact_lock(1717660783, l) from generate_series(0, 63) l")
    with blocked(conn, lambda: register(conn, held, [A])) as call:
        rival = claim(holder, make_job(holder, 1))
        register(holder, rival, [A])
        holder.execute("commit")

    with refused(OutputClash):
        call.result()


def test_locks_of_names_are_taken_in_ascending_order(
    conn: psycopg.Connection, connect: Connect
) -> None:
    # So that no two registrations wait for each other in a circle.
    held = claim(conn, make_job(conn, 1))
    many = [f"s3://out/many/{number}" for number in range(600)]  # all locks of names
    holder = connect()
    holder.execute("begin")
    holder.execute("select pg_advisory_xact_lock(1717660783, 32)")
    with blocked(conn, lambda: register(conn, held, many)) as call:
        taken = holder.execute(
            """
            select objid::integer from pg_locks
            where pid = %s and locktype = 'advisory' and classid = 1717660783 and granted
            order by 1
            """,
            (conn.info.backend_pid,),
        ).fetchall()
        holder.execute("commit")

    assert len(call.result()) == len(many)
    assert [lock for (lock,) in taken] == [*range(32)]


def test_registrations_of_one_job_do_not_wait_for_each_other(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_job(conn, 2)
    mine, theirs = claim(conn, job, "pod-1"), claim(conn, job, "pod-2")
    many = [f"s3://out/many/{number}" for number in range(200)]  # all locks of names
    other = connect()
    with other.transaction():
        register(other, theirs, many, "pod-2")
        assert len(register(conn, mine, [A, B])) == 2


def test_jobs_that_write_elsewhere_do_not_wait_for_each_other(
    conn: psycopg.Connection, connect: Connect
) -> None:
    mine = claim(conn, make_job(conn, 1, egress_uri="s3://here/"))
    theirs = claim(conn, make_job(conn, 1, egress_uri="s3://there/"))
    other = connect()
    with other.transaction():
        register(other, theirs, [f"s3://there/{number}" for number in range(200)])
        assert len(register(conn, mine, ["s3://here/a"])) == 1


def test_end_of_a_rival_does_not_wait_for_a_registration(
    conn: psycopg.Connection, connect: Connect
) -> None:
    first, second = make_job(conn, 1), make_job(conn, 1)
    theirs = claim(conn, first)
    register(conn, theirs, [B])
    mine = claim(conn, second)
    other = connect()
    with other.transaction():
        register(other, mine, [A])
        end(conn, first)

    with refused(ClaimLost):
        complete(conn, theirs)


def test_name_of_a_rival_that_is_just_being_canceled_is_still_its_own(
    conn: psycopg.Connection, connect: Connect
) -> None:
    # Its request to delete the object is not seen yet, so that nobody could take it back.
    first, second = make_job(conn, 1), make_job(conn, 1)
    register(conn, claim(conn, first), [A])
    mine = claim(conn, second)
    other = connect()
    with other.transaction():
        end(other, first)
        with refused(OutputClash):
            register(conn, mine, [A])

    register(conn, mine, [A])
    assert deletions(conn) == []


def test_name_that_is_being_deleted_for_a_rival_is_busy(conn: psycopg.Connection) -> None:
    first, second = make_job(conn, 1), make_job(conn, 1)
    register(conn, claim(conn, first), [A])
    end(conn, first)
    outputs.take_deletions(conn, limit=9)

    with refused(OutputBusy):
        register(conn, claim(conn, second), [A])


def test_deletion_waits_for_a_registration_under_way_and_leaves_the_object(
    conn: psycopg.Connection, connect: Connect
) -> None:
    first, second = make_job(conn, 1), make_job(conn, 1)
    register(conn, claim(conn, first), [A])
    mine = claim(conn, second)
    end(conn, first)
    other = connect()
    with other.transaction():
        register(other, mine, [A])
        assert outputs.take_deletions(conn, limit=9) == []

    assert outputs.take_deletions(conn, limit=9) == []
    assert deletions(conn) == []


def test_many_rivals_at_once_share_the_names_and_never_deadlock(
    conn: psycopg.Connection, connect: Connect
) -> None:
    uris = [f"s3://out/{number}" for number in range(12)]
    created = [make_job(conn, 26, max_tries=99) for _ in range(6)]  # none of them ends

    with ThreadPoolExecutor(len(created)) as pool:
        done = list(pool.map(_worker(connect, uris), created))

    assert sum(done) < 25 * len(created), "some were refused"
    owners = dict(
        conn.execute(
            "select uri, array_agg(distinct job_no) from falconeri.output_files group by uri"
        )
    )
    assert owners
    assert [uri for uri, job_nos in owners.items() if len(job_nos) > 1] == []


def _worker(connect: Connect, uris: list[str]) -> Callable[[NewJobKey], int]:
    """One that registers random names for 25 datums of a job, and says for how many it might."""

    def work(job: NewJobKey) -> int:
        conn, random = connect(), Random(job.job_no)  # noqa: S311 - the same in each run
        done = 0
        for _ in range(25):
            held = claim(conn, job)
            try:
                register(conn, held, random.sample(uris, random.randint(1, 5)))
                done += 1
            except psycopg.DatabaseError as ex:
                if ex.sqlstate != OutputClash.sqlstate:
                    raise
            complete(conn, held, report=failed() if random.random() < 0.5 else DONE)
        return done

    return work
