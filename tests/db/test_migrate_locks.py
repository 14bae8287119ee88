"""A migration of tables that others are using."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from falconeri.db import migrate as module
from falconeri.db.migrate import TablesInUse, is_current, migrate
from tests.processes import wait_until


def test_migration_waits_for_a_reader_and_lets_others_pass_meanwhile(
    database_url: str, sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOCK_LIMIT_S", 0.2)
    add_column(sources)
    with (
        psycopg.connect(database_url) as reader,
        psycopg.connect(database_url, autocommit=True) as other,
        ThreadPoolExecutor() as threads,
    ):
        reader.execute("select from falconeri.jobs")  # in a transaction that goes on
        migrating = threads.submit(migrate, database_url)
        wait_until(lambda: holds_up(other, reader))
        wait_until(lambda: not holds_up(other, reader))  # it has let go, for a while
        other.execute("select from falconeri.jobs")
        assert not migrating.done()
        reader.commit()

        assert migrating.result()
    assert is_current(database_url)


def test_migration_gives_up_when_a_table_is_never_free(
    database_url: str, sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOCK_LIMIT_S", 0.05)
    monkeypatch.setattr(module, "TRIES", 2)
    add_column(sources)
    with psycopg.connect(database_url) as reader:
        reader.execute("select from falconeri.jobs")
        with pytest.raises(TablesInUse):
            migrate(database_url)

    assert migrate(database_url)


def add_column(sources: Path) -> None:
    (sources / "migrations" / "9999_later.sql").write_text(
        "alter table falconeri.jobs add column later integer;"
    )


def holds_up(conn: psycopg.Connection, other: psycopg.Connection) -> bool:
    """Whether anybody waits for `other`."""
    row = conn.execute(
        "select exists (select from pg_stat_activity where %s = any(pg_blocking_pids(pid)))",
        (other.info.backend_pid,),
    ).fetchone()
    return row == (True,)
