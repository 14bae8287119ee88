"""Datums share rows; nobody notices. Each test has datums on both sides of the ends of chunks."""

from __future__ import annotations

from itertools import pairwise

import psycopg
import pytest

from falconeri.db import datums, jobs
from falconeri.db.jobs import NewJobKey
from falconeri.states import DatumStatus
from falconeri.wire import codec
from falconeri.wire.work import InputRef
from tests.sql.crosses import begin, made
from tests.sql.factories import ask, claim, complete, datum, datum_id, failed, make_job, value

COUNT = 40
CHUNKS = [1, 17, 33]


def local_path(number: int) -> str:
    return f"/pfs/in/{number}"


def make_long_one(conn: psycopg.Connection) -> NewJobKey:
    """A job whose datums have so many files that each has a row of its own."""

    def inputs(number: int) -> bytes:
        return codec.encode([InputRef("s3://in/x", f"/pfs/{number}/{i}") for i in range(60)])

    return make_job(conn, COUNT, name="long", max_tries=1, inputs=inputs)


def listed_paths(conn: psycopg.Connection, job: NewJobKey, number: int) -> list[str]:
    found = datums.list_inputs(conn, datum_id=datum_id(conn, job, number))
    return [file.local_path for file in found]


def page(
    conn: psycopg.Connection,
    job: NewJobKey,
    *,
    status: DatumStatus | None = None,
    after: int | None = None,
    limit: int = COUNT,
) -> list[str]:
    """The ids of a page, of which the datum `after` is the one before the first."""
    found = datums.list_datums(
        conn,
        job_id=job.job_id,
        status=status,
        after=datum_id(conn, job, after) if after else None,
        limit=limit,
    )
    return [str(each.id) for each in found]


def ids(conn: psycopg.Connection, job: NewJobKey, *numbers: int) -> list[str]:
    return [str(datum_id(conn, job, number)) for number in numbers]


def end_some(conn: psycopg.Connection, job: NewJobKey) -> None:
    """Fail every third of the first 36 datums for good, complete the others, hold two."""
    for number in range(1, 37):
        held = claim(conn, job)
        complete(conn, held) if number % 3 else complete(conn, held, report=failed())
    for pod in ("holder-1", "holder-2"):
        claim(conn, job, pod)


def test_datums_share_rows(conn: psycopg.Connection) -> None:
    make_job(conn, COUNT)

    found = conn.execute("select first_seq from falconeri.datum_chunks order by 1").fetchall()

    assert [row[0] for row in found] == CHUNKS


@pytest.mark.parametrize("count", [40, 44], ids=["as-shards-begin", "within-shards"])
def test_each_datum_is_handed_out_with_its_own_files(conn: psycopg.Connection, count: int) -> None:
    make_job(conn, count, name="before")
    job = make_job(conn, count)
    make_job(conn, count, name="behind")

    held = claim(conn, job)
    for number in range(1, count + 1):
        assert held.datum_id == datum_id(conn, job, number)
        assert [file.local_path for file in held.inputs] == [local_path(number)]
        assert listed_paths(conn, job, number) == [local_path(number)]
        answer = complete(conn, held, claim_next=True)
        if answer.claim is not None:
            held = answer.claim


def test_datum_that_is_tried_again_has_its_own_files(conn: psycopg.Connection) -> None:
    job = make_job(conn, COUNT)
    held = [claim(conn, job, f"pod-{number}") for number in range(1, COUNT + 1)]
    for number in (16, 17, 33):
        complete(conn, held[number - 1], f"pod-{number}", failed())

    again = [claim(conn, job, f"new-{number}") for number in range(3)]

    assert [each.inputs[0].local_path for each in again] == [
        local_path(number) for number in (16, 17, 33)
    ]


def test_states_are_those_of_the_right_datums(conn: psycopg.Connection) -> None:
    end_some(conn, make_long_one(conn))
    job = make_job(conn, COUNT, max_tries=1)
    end_some(conn, job)

    for number in (1, 15, 16, 17, 18, 32, 33, 36, 37, 38, 39, 40):
        expected = (
            DatumStatus.READY
            if number > 38
            else DatumStatus.RUNNING
            if number > 36
            else DatumStatus.DONE
            if number % 3
            else DatumStatus.ERROR
        )
        assert datum(conn, datum_id(conn, job, number)).status is expected, number


@pytest.mark.parametrize("limit", [1, 7, 16, 17, COUNT])
def test_pages_go_on_where_the_last_one_ended(conn: psycopg.Connection, limit: int) -> None:
    make_job(conn, COUNT, name="before")
    job = make_job(conn, COUNT)

    for last in range(0, COUNT, limit):
        expected = ids(conn, job, *range(last + 1, min(last + limit, COUNT) + 1))
        assert page(conn, job, after=last, limit=limit) == expected
    assert page(conn, job, after=COUNT) == []


@pytest.mark.parametrize(
    ("status", "numbers"),
    [
        (DatumStatus.DONE, [n for n in range(1, 37) if n % 3]),
        (DatumStatus.ERROR, [n for n in range(1, 37) if not n % 3]),
        (DatumStatus.RUNNING, [37, 38]),
        (DatumStatus.READY, [39, 40]),
    ],
)
def test_pages_of_a_status_have_all_of_it_once(
    conn: psycopg.Connection, status: DatumStatus, numbers: list[int]
) -> None:
    end_some(conn, make_long_one(conn))
    job = make_job(conn, COUNT, max_tries=1)
    end_some(conn, job)

    assert page(conn, job, status=status) == ids(conn, job, *numbers)
    for last, number in pairwise(numbers):
        assert page(conn, job, status=status, after=last, limit=1) == ids(conn, job, number)


def test_retried_datums_are_packed_anew_in_their_order(conn: psycopg.Connection) -> None:
    other = make_job(conn, COUNT, name="before", max_tries=1)
    end_some(conn, other)
    job = make_job(conn, COUNT, max_tries=1)
    end_some(conn, job)
    jobs.cancel_job(conn, job_id=job.job_id)

    new_id = jobs.retry_job(conn, job_id=job.job_id)

    new = NewJobKey(
        value(conn, "select job_no from falconeri.jobs where id = %s", new_id), job_id=new_id
    )
    left = [*range(3, 37, 3), 37, 38, 39, 40]
    assert made(conn, new) == [(local_path(number),) for number in left]
    assert jobs.job_progress(conn, job_id=new_id).total == len(left)


def test_chunk_of_which_all_is_done_is_not_retried(conn: psycopg.Connection) -> None:
    job = make_job(conn, COUNT, max_tries=1)
    for _ in range(20):
        complete(conn, claim(conn, job))
    jobs.cancel_job(conn, job_id=job.job_id)

    new_id = jobs.retry_job(conn, job_id=job.job_id)

    assert jobs.job_progress(conn, job_id=new_id).total == 20


def test_datums_with_many_files_have_rows_of_their_own(conn: psycopg.Connection) -> None:
    def inputs(number: int) -> bytes:
        count = 3000 if number == 20 else 1
        return codec.encode([InputRef("s3://in/x", f"/pfs/{number}/{i}") for i in range(count)])

    job = make_job(conn, COUNT, inputs=inputs)

    found = conn.execute("select first_seq from falconeri.datum_chunks order by 1").fetchall()
    assert [row[0] for row in found] == [1, 17, 20, 21, 37]
    assert len(listed_paths(conn, job, 20)) == 3000
    assert listed_paths(conn, job, 21) == ["/pfs/21/0"]
    for number in range(1, 21):
        held = claim(conn, job, f"pod-{number}")
        assert len(held.inputs) == (3000 if number == 20 else 1)


def test_datum_without_files_is_one(conn: psycopg.Connection) -> None:
    with conn.transaction():
        job = begin(conn)
        jobs.copy_datums(conn, job_no=job.job_no, datums=[b"[]", b"[]"])
        jobs.start_job(conn, job_no=job.job_no)

    assert [claim(conn, job, pod).inputs for pod in ("a", "b")] == [[], []]
    assert ask(conn, job, "c").claim is None


def test_original_table_of_input_files_has_every_file(conn: psycopg.Connection) -> None:
    job = make_job(conn, COUNT)

    rows = conn.execute(
        "select local_path, id, datum_id from compat.input_files where job_id = %s", (job.job_id,)
    ).fetchall()

    expected = {
        (file.local_path, file.id, file.datum_id)
        for number in range(1, COUNT + 1)
        for file in datums.list_inputs(conn, datum_id=datum_id(conn, job, number))
    }
    assert len(rows) == COUNT
    assert set(rows) == expected


def test_report_shows_each_datum_with_its_files(conn: psycopg.Connection) -> None:
    make_job(conn, COUNT, name="before")
    job = make_job(conn, COUNT)

    rows = conn.execute(
        "select datum_id::text, inputs #>> '{0,local_path}' from report.datums where job_id = %s",
        (job.job_id,),
    ).fetchall()

    assert sorted(rows) == sorted(
        (key, local_path(number))
        for number, key in enumerate(ids(conn, job, *range(1, COUNT + 1)), start=1)
    )
