"""The hub's claim for many waiting pods, over the asynchronous wrapper that the hub uses."""

import asyncio
from collections.abc import Sequence
from uuid import UUID, uuid4

import psycopg

from falconeri.db import jobs, waiting, workers
from falconeri.db.waiting import HandedOut
from falconeri.errors import JobNotFound
from falconeri.states import Verdict
from falconeri.wire.work import WorkerIdentity
from tests.conftest import Connect
from tests.sql import recount
from tests.sql.factories import claim, complete, failed, make_job, progress, set_now, value
from tests.sql.interleaving import blocked


def hand_out(
    conn: psycopg.Connection, job_id: UUID, pods: Sequence[str], slots: Sequence[int] | None = None
) -> HandedOut:
    """The hub's one call, on an asynchronous connection of its own."""

    async def call() -> HandedOut:
        dsn = f"{conn.info.dsn} password={conn.info.password}"
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as hub:
            who = [WorkerIdentity(pod_name=pod, node_name="node-1") for pod in pods]
            return await waiting.claim_datums(hub, job_id=job_id, who=who, slots=slots)

    return asyncio.run(call())


def pods_of(handed_out: HandedOut) -> list[str]:
    return [pod for pod, _ in handed_out]


def test_pods_get_datums_in_the_order_of_their_coming(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2)

    handed_out = hand_out(conn, job.job_id, ["c", "a", "b"])

    assert pods_of(handed_out) == ["c", "a"]
    assert handed_out.stopped_by is Verdict.EMPTY
    recount.check(conn, job)


def test_nothing_stops_it_when_there_is_enough_for_all(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2, shards=2)

    handed_out = hand_out(conn, job.job_id, ["a", "b"])

    assert pods_of(handed_out) == ["a", "b"]
    assert handed_out.stopped_by is None


def test_pod_fetches_ahead_into_several_slots_at_once(conn: psycopg.Connection) -> None:
    job = make_job(conn, 3)

    handed_out = hand_out(conn, job.job_id, ["a", "a", "a"], [0, 1, 2])

    held = [answer.claim.datum_id for _, answer in handed_out if answer.claim]
    assert len(set(held)) == 3
    assert progress(conn, job).running == 3
    recount.check(conn, job)


def test_pod_that_fetches_ahead_twice_gets_the_same_datums_in_the_same_slots(
    conn: psycopg.Connection,
) -> None:
    job = make_job(conn, 9)

    first = hand_out(conn, job.job_id, ["a", "a"], [1, 0])
    again = hand_out(conn, job.job_id, ["a", "a"], [0, 1])

    assert [answer for _, answer in again] == [answer for _, answer in first][::-1]


def test_pod_that_holds_a_datum_gets_it_again(conn: psycopg.Connection) -> None:
    job = make_job(conn, 3)
    held = claim(conn, job, "a")

    (_, answer), (_, other) = hand_out(conn, job.job_id, ["a", "b"])

    assert answer.claim == held
    assert other.claim is not None
    assert other.claim.datum_id != held.datum_id


def test_pod_named_twice_gets_one_datum(conn: psycopg.Connection) -> None:
    job = make_job(conn, 3)

    first, second = hand_out(conn, job.job_id, ["a", "a"])

    assert first == second
    assert progress(conn, job).running == 1


def test_retries_are_handed_out_before_fresh_datums(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2)
    complete(conn, claim(conn, job), report=failed())

    ((_, answer),) = hand_out(conn, job.job_id, ["a"])

    assert answer.claim is not None
    assert answer.claim.attempt == 2


def test_what_the_hub_hands_out_expires_without_a_sign_of_life(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2, lease_s=60)
    hand_out(conn, job.job_id, ["a", "b"])
    set_now(conn, in_s=61)

    assert workers.requeue_expired(conn, limit=9).lost == 2
    recount.check(conn, job)


def test_pods_are_known_with_their_nodes(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2)

    hand_out(conn, job.job_id, ["a", "b"])

    known = conn.execute("select pod_name, node_name from falconeri.workers order by pod_name")
    assert known.fetchall() == [("a", "node-1"), ("b", "node-1")]


def test_pods_of_an_ended_job_are_told_so(conn: psycopg.Connection) -> None:
    job = make_job(conn, 0)

    handed_out = hand_out(conn, job.job_id, ["a", "b"])

    assert pods_of(handed_out) == []
    assert handed_out.stopped_by is Verdict.ENDED


def test_pods_of_a_canceled_job_get_nothing_again_and_leave_no_trace(
    conn: psycopg.Connection,
) -> None:
    job = make_job(conn, 2)
    claim(conn, job, "a")
    jobs.cancel_job(conn, job_id=job.job_id)

    handed_out = hand_out(conn, job.job_id, ["a", "b"])

    assert (pods_of(handed_out), handed_out.stopped_by) == ([], Verdict.ENDED)
    assert value(conn, "select array_agg(pod_name) from falconeri.workers") == ["a"]


def test_slots_of_a_pod_are_locked_in_order(conn: psycopg.Connection, connect: Connect) -> None:
    job = make_job(conn, 4)
    hand_out(conn, job.job_id, ["a", "a"], [1, 0])
    other, third = connect(), connect()
    lock = "select from falconeri.claims where slot = %s for update nowait"
    other.execute("begin")
    other.execute(lock, (0,))
    call = "select falconeri.claim_datums(%s, '{a,a}', '{n,n}', '{1,0}')"
    with blocked(conn, lambda: conn.execute(call, (job.job_id,)).fetchall()) as rows:
        third.execute(lock, (1,))
        other.execute("commit")

    assert len(rows.result()) == 2


def test_unknown_job_is_refused(conn: psycopg.Connection) -> None:
    try:
        hand_out(conn, uuid4(), ["a"])
    except JobNotFound:
        return
    raise AssertionError


def test_busy_shards_stop_it(conn: psycopg.Connection, connect: Connect) -> None:
    job = make_job(conn, 2)
    other = connect()
    with other.transaction():
        claim(other, job, "z")
        assert hand_out(conn, job.job_id, ["a"]).stopped_by is Verdict.BUSY


def test_it_takes_no_shard_before_it_has_all_claims(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_job(conn, 4)
    claim(conn, job, "b")
    other, third = connect(), connect()
    other.execute("begin")
    other.execute("select from falconeri.claims for update")
    call = "select falconeri.claim_datums(%s, '{a,b}', '{n,n}')"
    with blocked(conn, lambda: conn.execute(call, (job.job_id,)).fetchall()) as rows:
        # It waits for the claim of `b`; the shard is free.
        assert claim(third, job, "c")
        other.execute("commit")

    assert len(rows.result()) == 2
    recount.check(conn, job)


def test_it_takes_claims_in_the_order_of_their_pods_names(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_job(conn, 4)
    for pod in ("b", "a"):
        complete(conn, claim(conn, job, pod), pod)
    other, third = connect(), connect()
    lock = """
        select from falconeri.claims c join falconeri.workers w using (worker_no)
        where w.pod_name = %s for update of c nowait
        """
    other.execute("begin")
    other.execute(lock, ("a",))
    call = "select falconeri.claim_datums(%s, '{b,a}', '{n,n}')"
    with blocked(conn, lambda: conn.execute(call, (job.job_id,)).fetchall()) as rows:
        third.execute(lock, ("b",))
        other.execute("commit")

    assert len(rows.result()) == 2


def test_rows_end_with_the_first_pod_that_gets_nothing(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)

    rows = conn.execute(
        "select pod_name, verdict::text from falconeri.claim_datums(%s, '{a,b,c}', '{n,n,n}')",
        (job.job_id,),
    ).fetchall()

    assert rows == [("a", "claimed"), ("b", "empty")]


def test_two_hubs_with_the_same_pods_do_not_deadlock(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_job(conn, 4)
    other = connect()
    query = "select pod_name, datum_id from falconeri.claim_datums(%s, %s, '{n,n}')"
    other.execute("begin")
    first = other.execute(query, (job.job_id, ["a", "b"])).fetchall()
    with blocked(conn, lambda: conn.execute(query, (job.job_id, ["b", "a"])).fetchall()) as second:
        other.execute("commit")

    assert sorted(first) == sorted(second.result())
    recount.check(conn, job)


def test_progress_over_the_hubs_connection_is_the_same(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2)

    async def call() -> object:
        dsn = f"{conn.info.dsn} password={conn.info.password}"
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as hub:
            return await waiting.job_progress(hub, job_id=job.job_id)

    assert asyncio.run(call()) == jobs.job_progress(conn, job_id=job.job_id)
