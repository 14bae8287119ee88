from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from falconeri.db import migrate as module
from falconeri.db.migrate import DatabaseTooNew, PostgresTooOld, is_current, migrate
from falconeri.resources import sql_root

NEW_FUNCTION = """
create function falconeri.answer() returns integer language sql immutable return 42;
"""


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of sql/ that a test may change."""
    copy = tmp_path / "sql"
    shutil.copytree(sql_root(), copy)
    monkeypatch.setattr(module, "sql_root", lambda: copy)
    return copy


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


def test_empty_database_gets_everything(empty_database_url: str) -> None:
    assert not is_current(empty_database_url)

    assert migrate(empty_database_url)

    assert is_current(empty_database_url)
    files = (sql_root() / "functions").rglob("*.sql")
    assert functions(empty_database_url) == sorted(file.stem for file in files)
    assert value(empty_database_url, "select count(*) from falconeri.datum_states") == 0
    assert value(empty_database_url, "select count(*) from procrastinate.procrastinate_jobs") == 0


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
            "select * from falconeri.create_job('a', '{}', '{true}', 's3://out/', 1, 1, null, 60)"
        )
        (sources / "functions" / "job" / "answer.sql").write_text(NEW_FUNCTION)
        migrate(database_url)

        jobs = conn.execute("select status::text from falconeri.list_jobs()").fetchall()
    assert jobs == [("running",)]


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
