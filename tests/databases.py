"""Databases on the run's server: a process of tests migrates one, and all others are copies of it.

What a test changes is gone with its copy. Called by the fixtures of `tests.conftest`, and by those
who need a database for longer than a test. The server is that of `tests.plugins.embedded`.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Generator
from contextlib import contextmanager, suppress
from functools import cache
from urllib.parse import urlsplit

import psycopg
from psycopg import errors as pg
from psycopg import sql
from pytest_postgresql.janitor import DatabaseJanitor

from falconeri.db.migrate import migrate

URL_VARIABLE = "FALCONERI_TEST_DATABASE_URL"

_SERVER = f"falconeri_test_server_{uuid.uuid4().hex}"
"""A user, and its password: of this process, so that nobody else knows it."""

# The time of the rules: a session may set it.
NOW = """
create or replace function falconeri._now() returns timestamptz
language sql volatile parallel safe
return coalesce(nullif(current_setting('falconeri.now', true), '')::timestamptz, clock_timestamp())
"""


@contextmanager
def fresh_database() -> Generator[str]:
    """A migrated database, as falconerid finds it; its URL."""
    with _database(_migrated()) as name:
        yield _url(name)


@contextmanager
def timed_database() -> Generator[str]:
    """The same, but for `falconeri.now`: a session may set what time the rules believe it to be."""
    with _database(_timed()) as name:
        yield _url(name)


@contextmanager
def empty_database() -> Generator[str]:
    """One with nothing in it."""
    with _database() as name:
        yield _url(name)


def as_server(url: str) -> str:
    """The URL of the same database for falconerid: for a user who has its rights, and no others."""
    user, password = sql.Identifier(_SERVER), sql.Literal(_SERVER)
    with psycopg.connect(url, autocommit=True) as conn, suppress(pg.DuplicateObject):
        query = sql.SQL("create user {} password {} in role falconeri_server")
        conn.execute(query.format(user, password))
    parts = urlsplit(url)
    return parts._replace(netloc=f"{_SERVER}:{_SERVER}@{parts.hostname}:{parts.port}").geturl()


def clear_up() -> None:
    """Drop what has been made, and let go of the server; to be called at the end of a run."""
    if _admin.cache_info().currsize:
        for template in (_timed, _migrated):
            if template.cache_info().currsize:
                template().drop()
                template.cache_clear()
        _admin().execute(sql.SQL("drop user if exists {}").format(sql.Identifier(_SERVER)))
        _admin().close()
        _admin.cache_clear()


@cache
def _admin() -> psycopg.Connection:
    return psycopg.connect(os.environ[URL_VARIABLE], autocommit=True)


@cache
def _migrated() -> _Janitor:
    janitor = _janitor()
    janitor.init()
    migrate(_url(janitor.dbname))
    return janitor


@cache
def _timed() -> _Janitor:
    janitor = _janitor(_migrated())
    janitor.init()
    with psycopg.connect(_url(janitor.dbname)) as conn:
        conn.execute(NOW)
    return janitor


@contextmanager
def _database(template: _Janitor | None = None) -> Generator[str]:
    with _janitor(template) as janitor:
        yield janitor.dbname


class _Janitor(DatabaseJanitor):
    """Makes a database and drops it, as cheaply as can be."""

    @contextmanager
    def cursor(self, dbname: str | None = None) -> Generator[psycopg.Cursor]:
        """One of the connection that is there: another one for each would take longer."""
        assert dbname is None
        with _admin().cursor() as cursor:
            yield cursor

    def _build_create_database_sql(self) -> sql.Composed:
        query = super()._build_create_database_sql()
        if self.template_dbname is None:
            return query
        # Copying the files costs a third of writing each page to the log, which is the default.
        return query + sql.SQL(" strategy file_copy")


def _janitor(template: _Janitor | None = None) -> _Janitor:
    server = _admin().info
    return _Janitor(
        user=server.user,
        password=server.password,
        host=server.host,
        port=server.port,
        dbname=f"falconeri_test_{uuid.uuid4().hex}",
        template_dbname=template.dbname if template else None,
    )


def _url(name: str) -> str:
    return urlsplit(os.environ[URL_VARIABLE])._replace(path=f"/{name}").geturl()
