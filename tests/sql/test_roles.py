"""What the roles may do, and that they may do nothing else."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from psycopg import errors as pg
from psycopg import sql

from falconeri.db import controls, datums, jobs, outputs, waits, workers
from falconeri.db.waits import JobWait
from falconeri.resources import sql_root
from falconeri.states import JobStatus
from tests.conftest import Connect
from tests.sql import output_calls
from tests.sql.factories import claim, complete, failed, lose, make_job, value

ROLES = sorted(file.stem for file in (sql_root() / "roles").glob("*.sql"))

# What an operator may call, and nobody else but the server.
CONTROLS = {
    "cancel_job",
    "delete_job",
    "find_job",
    "pause_job",
    "resume_job",
    "retry_job",
    "scale_job",
}


@pytest.fixture
def become(connect: Connect) -> Callable[[str], psycopg.Connection]:
    """Opens a connection with the rights of a role."""

    def open_as(role: str) -> psycopg.Connection:
        conn = connect()
        conn.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
        return conn

    return open_as


def allowed(conn: psycopg.Connection, role: str, rights: str) -> set[str]:
    """The schemas in which a role has any of these rights on any table or view."""
    found = conn.execute(
        """
        select distinct n.nspname from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'v', 'm', 'p') and n.nspname !~ '^pg_'
          and n.nspname <> 'information_schema' and has_table_privilege(%s, c.oid, %s)
        """,
        (role, rights),
    )
    return {row[0] for row in found}


def test_roles_cannot_log_in_by_themselves(conn: psycopg.Connection) -> None:
    found = conn.execute(
        "select rolname from pg_roles where rolname = any(%s) and not rolcanlogin"
        " and not (rolsuper or rolcreaterole or rolcreatedb or rolbypassrls) order by 1",
        (ROLES,),
    )

    assert [row[0] for row in found] == ROLES


@pytest.mark.parametrize("role", ["falconeri_reader", "falconeri_operator"])
def test_reader_and_operator_may_read_the_views_and_no_table(
    conn: psycopg.Connection, role: str
) -> None:
    assert allowed(conn, role, "select") == {"report", "compat"}
    assert allowed(conn, role, "insert, update, delete, truncate, references, trigger") == set()


def test_listener_is_told_and_can_do_nothing_else(
    conn: psycopg.Connection, become: Callable[[str], psycopg.Connection]
) -> None:
    job = make_job(conn, 1)
    listener = become("falconeri_listener")
    listener.execute("listen falconeri_job")

    jobs.cancel_job(conn, job_id=job.job_id)

    (told,) = listener.notifies(timeout=60, stop_after=1)
    assert told.payload == str(job.job_id)
    everything = "select, insert, update, delete, truncate, references, trigger"
    assert allowed(conn, "falconeri_listener", everything) == set()
    for query in (
        b"select from falconeri.jobs",
        b"select from report.jobs",
        b"select falconeri.find_job('x')",
        b"create schema mine",
        b"create table public.mine ()",
    ):
        with pytest.raises(pg.InsufficientPrivilege):
            listener.execute(query)


@pytest.mark.parametrize("schema", ["report", "compat"])
def test_reader_may_read_every_view(
    conn: psycopg.Connection, become: Callable[[str], psycopg.Connection], schema: str
) -> None:
    job = make_job(conn, 3, max_tries=1, memory=("1Gi", "2Gi"))
    complete(conn, claim(conn, job), report=failed())
    output_calls.register(conn, claim(conn, job), [output_calls.A])
    jobs.sample_progress(conn)
    waits.note_waits(conn, waits=[JobWait(job.job_id, "image", "no such image", 1)])
    reader = become("falconeri_reader")

    views = [file.stem for file in (sql_root() / "views" / schema).glob("*.sql")]

    assert views
    for view in views:
        # Really computed, so that functions inside them are called, too.
        query = sql.SQL("select t::text from {} t").format(sql.Identifier(schema, view))
        assert reader.execute(query).fetchall(), view


def test_reader_may_not_look_behind_the_views(
    become: Callable[[str], psycopg.Connection],
) -> None:
    reader = become("falconeri_reader")

    for query in (
        b"select from falconeri.jobs",
        b"select from falconeri.list_jobs()",
        b"select falconeri.cancel_job(gen_random_uuid())",
        b"select from procrastinate.procrastinate_jobs",
        b"create table report.mine ()",
    ):
        with pytest.raises(pg.InsufficientPrivilege):
            reader.execute(query)


def test_operator_controls_jobs(
    conn: psycopg.Connection, become: Callable[[str], psycopg.Connection]
) -> None:
    job_id = make_job(conn, 2).job_id
    operator = become("falconeri_operator")
    name = value(operator, "select job_name from report.jobs")

    assert jobs.find_job(operator, job_name=name) == job_id
    controls.pause_job(operator, job_id=job_id)
    assert value(operator, "select paused from report.jobs")
    controls.resume_job(operator, job_id=job_id)
    controls.scale_job(operator, job_id=job_id, parallelism=7)
    jobs.cancel_job(operator, job_id=job_id)
    retry = jobs.retry_job(operator, job_id=job_id)
    controls.delete_job(operator, job_id=job_id, limit=100)

    found = operator.execute("select job_id, status, parallelism from report.jobs").fetchall()
    assert found == [(retry, JobStatus.RUNNING, 7)]


def test_operator_may_change_nothing_but_by_these_functions(
    conn: psycopg.Connection, become: Callable[[str], psycopg.Connection]
) -> None:
    job_id = make_job(conn, 2).job_id
    operator = become("falconeri_operator")

    for query in (
        "update falconeri.jobs set status = 'done'",
        "select falconeri.fail_vanished_job(%(job_id)s, 'so')",
        "select * from falconeri.claim_datum(%(job_id)s, 'pod', 'node', true, 0::smallint)",
        "create table falconeri.mine ()",
    ):
        with pytest.raises((pg.InsufficientPrivilege, pg.UndefinedFunction)):
            operator.execute(query.encode(), {"job_id": job_id})

    assert value(conn, "select status::text from falconeri.jobs") == "running"


def test_only_controls_run_as_their_owner_and_only_operator_and_server_may_call_them(
    conn: psycopg.Connection,
) -> None:
    found = conn.execute(
        """
        select p.proname, array_agg(r.rolname::text order by r.rolname)
        from pg_proc p, aclexplode(p.proacl) a left join pg_roles r on r.oid = a.grantee
        where p.prosecdef and p.pronamespace = 'falconeri'::regnamespace and a.grantee <> p.proowner
        group by p.proname
        """
    ).fetchall()

    assert dict(found) == {name: ["falconeri_operator", "falconeri_server"] for name in CONTROLS}


def test_functions_that_run_as_their_owner_resolve_names_without_their_caller(
    conn: psycopg.Connection,
) -> None:
    found = conn.execute(
        """
        select proname from pg_proc
        where prosecdef and pronamespace = 'falconeri'::regnamespace
          and proconfig is distinct from '{"search_path=falconeri, pg_temp"}'
        """
    )

    assert [row[0] for row in found] == []


def test_server_does_all_that_jobs_need(become: Callable[[str], psycopg.Connection]) -> None:
    server = become("falconeri_server")
    job = make_job(server, 6, max_tries=2)
    workers.register_worker(server, job_id=job.job_id, pod_name="pod-1", node_name="node-1")
    held = claim(server, job)
    workers.extend_leases(server, job_id=job.job_id, pod_name="pod-1", held=[])
    output_calls.register(server, held, [output_calls.A])
    complete(server, held, report=failed())
    claim(server, job, "pod-2")
    server.execute("select falconeri.watch_job(%s)", (job.job_id,))
    lose(server, job, "pod-2")
    workers.requeue_expired(server, limit=9)
    complete(server, claim(server, job))

    assert datums.list_running_datums(server, job_id=job.job_id, limit=9) == []
    jobs.cancel_job(server, job_id=job.job_id)
    (deletion,) = outputs.take_deletions(server, limit=9)
    outputs.settle_deletion(server, job_id=deletion.job_id, uri=deletion.uri)
    retry = jobs.retry_job(server, job_id=job.job_id)
    assert jobs.job_progress(server, job_id=retry).total == 5
    controls.delete_job(server, job_id=job.job_id, limit=100)
    assert [found.id for found in jobs.list_jobs(server).jobs] == [retry]


def test_server_may_call_every_function(conn: psycopg.Connection) -> None:
    refused = value(
        conn,
        """
        select count(*) from pg_proc where pronamespace = 'falconeri'::regnamespace
          and not has_function_privilege('falconeri_server', oid, 'execute')
        """,
    )

    assert refused == 0


def test_server_may_neither_change_the_schema_nor_the_history(
    conn: psycopg.Connection, become: Callable[[str], psycopg.Connection]
) -> None:
    make_job(conn, 1)
    server = become("falconeri_server")

    for query in (
        b"create table falconeri.mine ()",
        b"create schema mine",
        b"drop function falconeri.list_jobs",
        b"alter table falconeri.jobs add column mine text",
        b"truncate falconeri.heartbeats",
        b"update falconeri.attempts set outcome = 'done'",
        b"update falconeri.datum_chunks set inputs = '[]'",
        b"delete from falconeri.applied_code",
        b"select from falconeri._yoyo_migration",
        b"create role mine",
    ):
        with pytest.raises(pg.InsufficientPrivilege):
            server.execute(query)
