"""Claims of workers that have another datum to work on first."""

import psycopg
import pytest

from falconeri.states import Verdict
from tests.conftest import Connect
from tests.sql.factories import ask, claim, complete, datum_id, failed, make_job, progress


def test_who_has_a_datum_gets_another_one_while_there_are_plenty(conn: psycopg.Connection) -> None:
    job = make_job(conn, 10, shards=None, parallelism=3)
    first = claim(conn, job, slot=0)

    answer = ask(conn, job, slot=1, ahead=True)

    assert answer.claim is not None
    assert (first.datum_id, answer.claim.datum_id) == (
        datum_id(conn, job, 1),
        datum_id(conn, job, 2),
    )


@pytest.mark.parametrize(("parallelism", "left"), [(0, 0), (1, 0), (2, 1), (4, 3), (50, 10)])
def test_of_the_last_datums_each_other_worker_can_have_one(
    conn: psycopg.Connection, parallelism: int, left: int
) -> None:
    job = make_job(conn, 10, shards=None, parallelism=parallelism)

    slot = 0
    while ask(conn, job, slot=slot, ahead=True).verdict is Verdict.CLAIMED:
        slot += 1

    assert ask(conn, job, slot=slot, ahead=True).verdict is Verdict.EMPTY
    assert progress(conn, job).ready == left
    for number in range(left):
        claim(conn, job, f"other-{number}")
    assert ask(conn, job, "late").verdict is Verdict.EMPTY


def test_the_last_datums_are_spread_over_the_shards(conn: psycopg.Connection) -> None:
    job = make_job(conn, 40, shards=None, parallelism=8)

    rows = conn.execute(
        "select last_seq - ahead_seq from falconeri.shards where job_no = %s order by shard",
        (job.job_no,),
    )

    assert [left for (left,) in rows] == [1, 1, 2, 1, 2]


def test_completion_ahead_takes_a_fresh_one_and_none_of_the_last(conn: psycopg.Connection) -> None:
    job = make_job(conn, 4, shards=None, parallelism=3)
    held = claim(conn, job)

    second = complete(conn, held, claim_next=True, ahead=True).claim
    assert second is not None
    answer = complete(conn, second, claim_next=True, ahead=True)

    assert answer.verdict is Verdict.EMPTY
    assert progress(conn, job).ready == 2
    assert claim(conn, job).datum_id == datum_id(conn, job, 3)


@pytest.mark.parametrize("slot", [0, 1])  # one knows its shard, the other has had none
def test_a_datum_to_be_tried_again_is_for_who_has_none(conn: psycopg.Connection, slot: int) -> None:
    job = make_job(conn, 1, shards=None, parallelism=1)
    complete(conn, claim(conn, job), report=failed())

    assert ask(conn, job, slot=slot, ahead=True).verdict is Verdict.EMPTY
    assert claim(conn, job, "other").attempt == 2


@pytest.mark.parametrize("slot", [0, 1])
def test_ahead_a_fresh_datum_comes_before_one_to_be_tried_again(
    conn: psycopg.Connection, slot: int
) -> None:
    job = make_job(conn, 3, shards=None, parallelism=1)
    complete(conn, claim(conn, job), report=failed())

    answer = ask(conn, job, slot=slot, ahead=True)

    assert answer.claim is not None
    assert answer.claim.datum_id == datum_id(conn, job, 2)


def test_who_fails_the_only_datum_does_not_get_it_ahead(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1, shards=None, parallelism=1)

    answer = complete(conn, claim(conn, job), report=failed(), claim_next=True, ahead=True)

    assert answer.verdict is Verdict.EMPTY
    assert progress(conn, job).ready == 1


def test_who_fails_a_datum_ahead_gets_a_fresh_one(conn: psycopg.Connection) -> None:
    job = make_job(conn, 3, shards=None, parallelism=1)

    answer = complete(conn, claim(conn, job), report=failed(), claim_next=True, ahead=True)

    assert answer.claim is not None
    assert answer.claim.datum_id == datum_id(conn, job, 2)


def test_repeated_completion_ahead_is_answered_like_the_first(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2, shards=None, parallelism=2)
    held = claim(conn, job)

    answers = [complete(conn, held, claim_next=True, ahead=True) for _ in range(2)]

    assert [answer.verdict for answer in answers] == [Verdict.EMPTY] * 2
    assert progress(conn, job).ready == 1


def test_ahead_of_an_ended_job_there_is_nothing(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1, shards=None, parallelism=1)
    complete(conn, claim(conn, job))

    assert ask(conn, job, slot=1, ahead=True).verdict is Verdict.ENDED


def test_claim_ahead_skips_a_locked_shard_and_says_busy_only_if_there_are_plenty(
    conn: psycopg.Connection, connect: Connect
) -> None:
    plenty = make_job(conn, 3, shards=None, parallelism=1)
    few = make_job(conn, 3, shards=None, parallelism=4)
    other = connect()

    with conn.transaction():
        conn.execute("select from falconeri.shards for update")
        assert ask(other, plenty, slot=1, ahead=True).verdict is Verdict.BUSY
        assert ask(other, few, slot=1, ahead=True).verdict is Verdict.EMPTY
