import json
import re
from typing import Any

import psycopg
import pytest

from falconeri.db import jobs
from falconeri.db.pool import translated
from falconeri.errors import InvalidInput
from falconeri.states import JobStatus
from tests.conftest import Connect
from tests.sql import recount
from tests.sql.factories import (
    ask,
    claim,
    deferred,
    inputs_json,
    make_job,
    progress,
    refused,
    value,
)
from tests.sql.interleaving import notified

GOOD: dict[str, Any] = {
    "pipeline_name": "words",
    "pipeline_spec": {},
    "command": ["true"],
    "egress_uri": "s3://out/",
    "parallelism": 1,
    "max_tries": 1,
    "timeout_s": None,
}


def test_new_job_runs_and_asks_for_its_workers(conn: psycopg.Connection) -> None:
    job = make_job(conn, 3)

    assert progress(conn, job).status is JobStatus.RUNNING
    assert progress(conn, job).ready == progress(conn, job).total == 3
    assert deferred(conn, job) == ["start_workers"]


def test_nobody_sees_a_job_before_it_is_complete(
    conn: psycopg.Connection, connect: Connect
) -> None:
    with conn.transaction():
        job = jobs.create_job(conn, **GOOD)
        jobs.copy_datums(conn, job_no=job.job_no, datums=[inputs_json(1)])
        assert jobs.list_jobs(connect()).jobs == []
        jobs.start_job(conn, job_no=job.job_no)

    assert [found.id for found in jobs.list_jobs(connect()).jobs] == [job.job_id]


def test_name_is_the_pipelines_and_a_random_tag(conn: psycopg.Connection) -> None:
    job = make_job(conn, name="Word_Count")

    assert re.fullmatch(
        r"word-count-[a-z0-9]{10}", jobs.describe_job(conn, job_id=job.job_id).job_name
    )


def test_job_without_datums_is_done_at_once(conn: psycopg.Connection, connect: Connect) -> None:
    listener = connect()
    listener.execute("listen falconeri_job")

    job = make_job(conn, 0)

    assert progress(conn, job).status is JobStatus.DONE
    assert deferred(conn, job) == []
    assert notified(listener) == [str(job.job_id)]


def test_job_without_datums_is_left_alone_by_the_next_one(conn: psycopg.Connection) -> None:
    empty = make_job(conn, 0)

    make_job(conn, 3)

    assert progress(conn, empty).total == 0
    assert (
        value(conn, "select shard_count from falconeri.jobs where job_no = %s", empty.job_no) == 0
    )


@pytest.mark.parametrize("numbers", ["{1, 3}", "{2}", "{2, 3}", "{0, 1}"])
def test_datums_must_be_numbered_without_gaps(conn: psycopg.Connection, numbers: str) -> None:
    other = make_job(conn, 3)
    with refused(InvalidInput), conn.transaction():
        job = jobs.create_job(conn, **GOOD)
        conn.execute(
            "insert into falconeri.datum_chunks select %s, seq, '[[]]' from unnest(%s::int[]) seq",
            (job.job_no, numbers),
        )
        jobs.start_job(conn, job_no=job.job_no)

    assert [found.id for found in jobs.list_jobs(conn).jobs] == [other.job_id]


@pytest.mark.parametrize("numbers", ["{1, 2, 4}", "{2, 3}", "{0, 2}", "{1}", "{}"])
def test_count_that_the_caller_states_must_agree_with_the_numbers(
    conn: psycopg.Connection, numbers: str
) -> None:
    with refused(InvalidInput), conn.transaction():
        job = jobs.create_job(conn, **GOOD)
        conn.execute(
            "insert into falconeri.datum_chunks select %s, seq, '[[]]' from unnest(%s::int[]) seq",
            (job.job_no, numbers),
        )
        jobs.start_job(conn, job_no=job.job_no, datum_count=3 if "4" in numbers else 2)

    assert jobs.list_jobs(conn).jobs == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"pipeline_name": "."},
        {"pipeline_name": "x" * 64},
        {"command": []},
        {"parallelism": -1},
        {"max_tries": 0},
        {"timeout_s": 0},
        {"lease_s": 0},
    ],
    ids=str,
)
def test_job_that_the_table_refuses_is_invalid_input(
    conn: psycopg.Connection, wrong: dict[str, Any]
) -> None:
    with pytest.raises(psycopg.errors.CheckViolation) as caught:
        jobs.create_job(conn, **(GOOD | wrong))

    assert isinstance(translated(caught.value), InvalidInput)


@pytest.mark.parametrize(
    ("count", "shards", "groups"),
    [(1, 1, 1), (15, 1, 1), (16, 2, 2), (250, 31, 16), (9_000, 256, 16)],
)
def test_shards_cover_all_datums_once(
    conn: psycopg.Connection, count: int, shards: int, groups: int
) -> None:
    make_job(conn, 30, name="before", shards=None)
    job = make_job(conn, count, shards=None)

    counts = conn.execute(
        "select datum_count, shard_count, open_groups from falconeri.jobs where job_no = %s",
        (job.job_no,),
    )
    assert counts.fetchone() == (count, shards, groups)
    recount.check(conn, job)
    ranges = conn.execute(
        "select first_seq, last_seq from falconeri.shards where job_no = %s order by shard",
        (job.job_no,),
    ).fetchall()
    assert len(ranges) == shards
    covered = [number for first, last in ranges for number in range(first, last + 1)]
    assert covered == list(range(1, count + 1))


def test_workers_begin_in_different_shards(conn: psycopg.Connection) -> None:
    job = make_job(conn, 500)

    first = [claim(conn, job, f"pod-{i}") for i in range(4)]

    shards = conn.execute("select shard from falconeri.claims where job_no = %s", (job.job_no,))
    assert {row[0] for row in shards} == {0, 1, 2, 3}
    assert len({held.datum_id for held in first}) == 4


def test_counters_of_ten_thousand_datums_over_64_shards_equal_a_recount(
    conn: psycopg.Connection,
) -> None:
    job = make_job(conn, 10_000)
    for i in range(130):
        assert ask(conn, job, f"pod-{i % 70}", slot=i // 70).claim

    recount.check(conn, job)
    assert progress(conn, job).running == 130
    assert progress(conn, job).ready == 9_870


def test_inputs_come_back_as_they_were_written(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)

    held = claim(conn, job)

    assert [{"uri": i.uri, "local_path": i.local_path} for i in held.inputs] == json.loads(
        inputs_json(1)
    )


def test_public_id_of_a_datum_holds_its_key(conn: psycopg.Connection) -> None:
    for job_no, seq in ((1, 1), (2**48 - 1, 2**40 - 1), (77, 123_456)):
        found = conn.execute(
            "select k.job_no, k.seq from falconeri._datum_key(falconeri._datum_id(%s, %s)) k",
            (job_no, seq),
        ).fetchone()
        assert found == (job_no, seq)
    made = value(conn, "select falconeri._datum_id(5, 6)")
    assert made.version == 8
    assert made.variant == "specified in RFC 4122"
