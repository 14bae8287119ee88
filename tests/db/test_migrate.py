from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql

from falconeri.db import migrate as module
from falconeri.db.jobs import NewJobKey
from falconeri.db.migrate import (
    DatabaseTooNew,
    PostgresTooOld,
    SchemaTaken,
    is_current,
    migrate,
)
from falconeri.resources import sql_root
from falconeri.states import JobStatus
from tests.sql import recount
from tests.sql.factories import claim, complete, progress

NEW_FUNCTION = """
create function falconeri.answer() returns integer language sql immutable return 42;
"""

OLD_JOB = """
insert into falconeri.jobs (
  job_no, id, job_name, created_at, updated_at, pipeline_spec, command, egress_uri, parallelism,
  max_tries, max_losses, lease_s, datum_count, shard_count, open_shards
) overriding system value
values (
  7, '00000000-0000-0000-0000-000000000007', 'old-job', now(), now(), '{}', '{true}', 's3://out/',
  1, 3, 100, 60, 40, 20, 20
);
insert into falconeri.datums (job_no, seq, inputs)
select 7, i, format('[{"uri": "s3://in/%1$s", "local_path": "/pfs/in/%1$s"}]', i)::jsonb
from generate_series(1, 40) i;
insert into falconeri.shards (
  job_no, shard, first_seq, next_seq, last_seq, open, max_tries, max_losses
)
select 7, i, 2 * i + 1, 2 * i + 1, 2 * i + 2, 2, 3, 100 from generate_series(0, 19) i;
insert into falconeri.workers (job_no, pod_name, node_name, leased, registered_at)
values (7, 'pod-1', 'old-node', true, now());
"""
"""A running job of 40 datums and a worker as the first five migrations know them."""


def value(url: str, query: str) -> object:
    with psycopg.connect(url) as conn:
        row = conn.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def functions(url: str) -> object:
    query = """
    select array_agg(proname::text order by proname) from pg_proc
    where pronamespace = 'falconeri'::regnamespace
    """
    return value(url, query)


def views(url: str) -> object:
    query = """
    select array_agg(name order by name collate "C")
    from (select schemaname || '.' || viewname as name, schemaname from pg_views) v
    where schemaname in ('falconeri', 'report', 'compat')
    """
    return value(url, query)


def test_empty_database_gets_everything(empty_database_url: str) -> None:
    assert not is_current(empty_database_url)

    assert migrate(empty_database_url)

    assert is_current(empty_database_url)
    files = (sql_root() / "functions").rglob("*.sql")
    assert functions(empty_database_url) == sorted(file.stem for file in files)
    assert value(empty_database_url, "select count(*) from falconeri.datum_states") == 0
    assert value(empty_database_url, "select count(*) from procrastinate.procrastinate_jobs") == 0


def test_every_view_file_is_a_view_of_its_folders_schema(database_url: str) -> None:
    root = sql_root() / "views"
    files = [file.relative_to(root).with_suffix("") for file in root.rglob("*.sql")]

    assert views(database_url) == sorted(
        f"{file.parts[0] if len(file.parts) > 1 else 'falconeri'}.{file.name}" for file in files
    )


def test_second_time_changes_nothing(database_url: str) -> None:
    before = value(database_url, "select applied_at from falconeri.applied_code")

    assert not migrate(database_url)

    assert value(database_url, "select applied_at from falconeri.applied_code") == before


def test_of_four_at_once_one_migrates_and_the_others_find_it_done(
    empty_database_url: str,
) -> None:
    program = "import sys; from falconeri.db.migrate import migrate; print(migrate(sys.argv[1]))"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", program, empty_database_url],
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]

    said = sorted(process.communicate()[0].strip() for process in running)

    assert [process.returncode for process in running] == [0] * 4
    assert said == ["False", "False", "False", "True"]
    assert is_current(empty_database_url)


def test_lock_of_a_dead_migrator_stops_nobody(database_url: str, sources: Path) -> None:
    (sources / "migrations" / "9999_more.sql").write_text("create table falconeri.more ();")
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("insert into falconeri.yoyo_lock (locked, ctime, pid) values (1, now(), 1)")

    assert migrate(database_url)

    assert value(database_url, "select count(*) from falconeri.more") == 0


def test_unknown_migration_means_that_the_database_is_too_new(
    database_url: str, sources: Path
) -> None:
    migration = sources / "migrations" / "9999_more.sql"
    migration.write_text("create table falconeri.more ();")
    migrate(database_url)
    migration.unlink()
    (sources / "functions" / "job" / "answer.sql").write_text(NEW_FUNCTION)

    with pytest.raises(DatabaseTooNew, match="9999_more"):
        migrate(database_url)

    assert "answer" not in str(functions(database_url)), "nothing may be changed"


def test_changed_function_is_applied_again(database_url: str, sources: Path) -> None:
    file = sources / "functions" / "job" / "answer.sql"
    file.write_text(NEW_FUNCTION)
    assert not is_current(database_url)
    assert migrate(database_url)
    file.write_text(NEW_FUNCTION.replace("returns integer", "returns bigint").replace("42", "43"))

    assert migrate(database_url)

    assert value(database_url, "select falconeri.answer()") == 43
    assert is_current(database_url)


def test_removed_function_is_dropped(database_url: str, sources: Path) -> None:
    file = sources / "functions" / "job" / "answer.sql"
    file.write_text(NEW_FUNCTION)
    migrate(database_url)
    file.unlink()

    assert migrate(database_url)

    assert "answer" not in str(functions(database_url))


def test_changed_view_is_applied_again_and_a_removed_one_dropped(
    database_url: str, sources: Path
) -> None:
    file = sources / "views" / "report" / "answers.sql"
    file.write_text("create view report.answers as select 42 as answer;")
    assert migrate(database_url)
    file.write_text("create view report.answers as select 'x' as other, 43 as answer;")
    assert migrate(database_url)
    assert value(database_url, "select answer from report.answers") == 43
    file.unlink()

    assert migrate(database_url)

    assert "answers" not in str(views(database_url))


def test_reader_keeps_its_rights_when_views_are_made_anew(database_url: str, sources: Path) -> None:
    (sources / "views" / "report" / "answers.sql").write_text(
        "create view report.answers as select 42 as answer;"
    )
    migrate(database_url)

    for view in ("jobs", "answers"):
        query = f"select has_table_privilege('falconeri_reader', 'report.{view}', 'select')"
        assert value(database_url, query)


def test_server_gets_its_rights_on_the_table_of_a_new_migration(
    database_url: str, sources: Path
) -> None:
    (sources / "migrations" / "9999_more.sql").write_text("create table falconeri.more ();")

    migrate(database_url)

    query = "select has_table_privilege('falconeri_server', 'falconeri.more', 'insert')"
    assert value(database_url, query)


def test_schema_of_somebody_else_is_left_alone(empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url) as conn:
        conn.execute("create schema report")
        conn.execute("create view report.sales as select 1 as euros")

    with pytest.raises(SchemaTaken, match="report"):
        migrate(empty_database_url)

    assert value(empty_database_url, "select euros from report.sales") == 1


def test_wrong_function_leaves_the_old_ones_in_place(database_url: str, sources: Path) -> None:
    before = functions(database_url)
    (sources / "functions" / "job" / "answer.sql").write_text(
        "create function falconeri.answer() returns integer language sql return falconeri.none();"
    )

    with pytest.raises(psycopg.errors.UndefinedFunction):
        migrate(database_url)

    assert functions(database_url) == before


def test_running_jobs_survive_new_functions(database_url: str, sources: Path) -> None:
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute(
            "select * from falconeri.create_job("
            "  'a', '{}', '{true}', 's3://out/', 1, 1, null, 60, 0"
            ")"
        )
        (sources / "functions" / "job" / "answer.sql").write_text(NEW_FUNCTION)
        migrate(database_url)

        jobs = conn.execute("select status::text from falconeri.list_jobs()").fetchall()
    assert jobs == [("running",)]


def test_job_that_runs_since_the_first_tables_ends_with_the_newest(
    empty_database_url: str, sources: Path
) -> None:
    for file in sources.rglob("*.sql"):
        if file.parent.name != "migrations" or file.stem >= "0006":
            file.unlink()
    migrate(empty_database_url)
    with psycopg.connect(empty_database_url) as conn:
        conn.execute(OLD_JOB)
    shutil.copytree(sql_root(), sources, dirs_exist_ok=True)

    assert migrate(empty_database_url)

    with psycopg.connect(empty_database_url, autocommit=True) as conn:
        job = NewJobKey(7, UUID(int=7))
        recount.check(conn, job)
        due = "select count(*) from falconeri.workers where lease_check_at < now()"
        assert conn.execute(due).fetchone() == (1,), "or what it holds never expires"
        seen = [claim(conn, job, f"pod-{number}") for number in range(1, 41)]
        assert {file.local_path for held in seen for file in held.inputs} == {
            f"/pfs/in/{number}" for number in range(1, 41)
        }
        for number, held in enumerate(seen, start=1):
            complete(conn, held, f"pod-{number}")
        recount.check(conn, job)
        assert progress(conn, job).status is JobStatus.DONE


def test_released_migrations_are_never_edited(database_url: str) -> None:
    # Not released yet: from the first release on, their checksums are to be listed here.
    names = sorted(file.stem for file in (sql_root() / "migrations").glob("*.sql"))

    query = "select array_agg(migration_id order by migration_id) from falconeri._yoyo_migration"
    assert value(database_url, query) == names


def test_old_postgres_is_refused_before_anything_is_changed(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MIN_VERSION", 990000)

    with pytest.raises(PostgresTooOld):
        migrate(empty_database_url)

    query = "select count(*) from pg_namespace where nspname = 'falconeri'"
    assert value(empty_database_url, query) == 0


@pytest.fixture
def plain_owner(empty_database_url: str) -> Iterator[str]:
    """The URL of an empty database for its owner, who may not create roles."""
    user = f"owner_{uuid4().hex}"
    parts = urlsplit(empty_database_url)
    name = sql.Identifier(user)
    database = sql.Identifier(parts.path.removeprefix("/"))
    with psycopg.connect(empty_database_url, autocommit=True) as conn:
        conn.execute(sql.SQL("create user {} password 'secret'").format(name))
        conn.execute(sql.SQL("alter database {} owner to {}").format(database, name))
        yield urlunsplit(parts._replace(netloc=f"{user}:secret@{parts.hostname}:{parts.port}"))
        conn.execute(sql.SQL("alter database {} owner to current_user").format(database))
        conn.execute(sql.SQL("drop owned by {} cascade").format(name))
        conn.execute(sql.SQL("drop user {}").format(name))


def test_role_that_may_not_be_created_is_left_out_until_somebody_has(
    empty_database_url: str, plain_owner: str, sources: Path, caplog: pytest.LogCaptureFixture
) -> None:
    role = f"role_{uuid4().hex}"
    for file in (sources / "roles").iterdir():
        file.unlink()
    grant = f"grant usage on schema report to {role};"
    (sources / "roles" / f"{role}.sql").write_text(grant)
    has_right = f"select has_schema_privilege('{role}', 'report', 'usage')"

    migrate(plain_owner)

    assert [r.message for r in caplog.records if r.levelname == "WARNING"] == ["role_left_out"]
    assert not migrate(plain_owner), "nothing has changed"
    with psycopg.connect(empty_database_url, autocommit=True) as conn:
        conn.execute(sql.SQL("create role {}").format(sql.Identifier(role)))
        try:
            assert migrate(plain_owner)
            assert value(plain_owner, has_right)
            assert not migrate(plain_owner), "once is enough"
        finally:
            conn.execute(sql.SQL("drop owned by {}").format(sql.Identifier(role)))
            conn.execute(sql.SQL("drop role {}").format(sql.Identifier(role)))


def test_missing_role_is_created(database_url: str, sources: Path) -> None:
    role = f"role_{uuid4().hex}"
    (sources / "roles" / f"{role}.sql").write_text(f"grant usage on schema report to {role};")

    try:
        assert migrate(database_url)
        assert value(database_url, f"select has_schema_privilege('{role}', 'report', 'usage')")
    finally:
        with psycopg.connect(database_url, autocommit=True) as conn:
            conn.execute(sql.SQL("drop owned by {}").format(sql.Identifier(role)))
            conn.execute(sql.SQL("drop role {}").format(sql.Identifier(role)))
