"""The views of schema `compat`: the original's tables, for SQL that was written against them."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg import sql

from falconeri.db import datums
from falconeri.states import DatumStatus
from tests.sql import output_calls
from tests.sql.factories import claim, complete, datum_id, failed, make_job, value

# As its six migrations left them, in the order of its tables.
COLUMNS = {
    "jobs": """
        id uuid, created_at timestamp without time zone, updated_at timestamp without time zone,
        status status, pipeline_spec jsonb, job_name text, command text[], egress_uri text
    """,
    "datums": """
        id uuid, created_at timestamp without time zone, updated_at timestamp without time zone,
        status status, job_id uuid, error_message text, node_name text, pod_name text,
        backtrace text, output text, attempted_run_count integer,
        maximum_allowed_run_count integer
    """,
    "input_files": """
        id uuid, created_at timestamp without time zone, datum_id uuid, uri text, local_path text,
        job_id uuid
    """,
    "output_files": """
        id uuid, created_at timestamp without time zone, updated_at timestamp without time zone,
        status status, job_id uuid, datum_id uuid, uri text
    """,
}


def rows(conn: psycopg.Connection, query: str, *args: object) -> list[tuple[Any, ...]]:
    return conn.execute(query.encode(), args).fetchall()


@pytest.mark.parametrize("table", COLUMNS)
def test_columns_are_those_of_the_original(conn: psycopg.Connection, table: str) -> None:
    found = rows(
        conn,
        """
        select attname || ' ' || replace(format_type(atttypid, null), 'falconeri.datum_', '')
        from pg_attribute where attrelid = %s::regclass and attnum > 0 order by attnum
        """,
        f"compat.{table}",
    )

    assert [row[0] for row in found] == [c.strip() for c in COLUMNS[table].split(",")]


def test_status_has_the_words_of_the_original_in_its_order(conn: psycopg.Connection) -> None:
    make_job(conn, 1)

    words = value(conn, "select enum_range(status)::text[] from compat.jobs")

    assert words == ["ready", "running", "done", "error", "canceled"]


def test_queries_of_the_original_find_what_they_always_found(conn: psycopg.Connection) -> None:
    job = make_job(conn, 3, max_tries=1)
    complete(conn, claim(conn, job))
    complete(conn, claim(conn, job), report=failed())
    claim(conn, job)

    counts = rows(
        conn,
        """
        select d.status::text, count(*) from compat.datums d join compat.jobs j on j.id = d.job_id
        where j.status = 'running' group by d.status order by d.status
        """,
    )
    failures = rows(
        conn,
        """
        select d.error_message, i.uri from compat.datums d
        join compat.input_files i on i.datum_id = d.id where d.status = 'error'
        """,
    )

    assert counts == [("running", 1), ("done", 1), ("error", 1)]
    assert failures == [("failed: command", "s3://in/2")]


def test_datum_is_the_one_that_the_rest_api_shows(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)
    complete(conn, claim(conn, job), report=failed())

    ((found_id, status, pod, attempted, allowed),) = rows(
        conn,
        """
        select id, status, pod_name, attempted_run_count, maximum_allowed_run_count
        from compat.datums where job_id = %s
        """,
        job.job_id,
    )

    shown = datums.describe_datum(conn, datum_id=found_id)
    assert (DatumStatus(status), pod) == (shown.status, shown.pod_name)
    assert (attempted, allowed) == (
        shown.attempted_run_count,
        shown.maximum_allowed_run_count,
    )


def test_files_have_the_ids_that_the_rest_api_shows(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)
    (output,) = output_calls.register(conn, claim(conn, job), [output_calls.A])
    (file,) = datums.list_inputs(conn, datum_id=datum_id(conn, job, 1))

    outputs = rows(conn, "select id, job_id, datum_id, uri, status::text from compat.output_files")
    inputs = rows(conn, "select id, job_id, datum_id, uri, local_path from compat.input_files")

    assert outputs == [(output.id, job.job_id, file.datum_id, output_calls.A, "running")]
    assert inputs == [(file.id, job.job_id, file.datum_id, file.uri, file.local_path)]


def test_times_are_utc_whatever_the_sessions_time_zone(conn: psycopg.Connection) -> None:
    make_job(conn, 1)
    conn.execute("set timezone = 'Asia/Tokyo'")

    same = value(
        conn,
        """
        select c.created_at = j.created_at at time zone 'UTC'
        from compat.jobs c join falconeri.jobs j using (id)
        """,
    )

    assert same


@pytest.mark.parametrize("table", COLUMNS)
def test_nobody_may_write_not_even_the_owner(conn: psycopg.Connection, table: str) -> None:
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
        conn.execute(sql.SQL("delete from {}").format(sql.Identifier("compat", table)))


def test_deleted_jobs_are_in_no_view(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)
    held = claim(conn, job)
    output_calls.register(conn, held, [output_calls.A])
    count = """
        select count(*) from compat.jobs j join compat.datums d on d.job_id = j.id
        join compat.input_files i on i.datum_id = d.id
        join compat.output_files o on o.datum_id = d.id
    """
    assert value(conn, count) == 1
    conn.execute("alter table falconeri.jobs drop constraint job_deleted_has_ended")

    conn.execute("update falconeri.jobs set deleted_at = now()")

    for table in COLUMNS:
        query = sql.SQL("select from {}").format(sql.Identifier("compat", table))
        assert conn.execute(query).fetchall() == []
