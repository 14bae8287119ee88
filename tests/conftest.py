"""Fixtures for all tests: fresh databases on the run's server, quickly cloned from a migrated one.

`database_url` is what most tests want; `conn` is a connection to it, `connect` opens more of them.
`empty_database_url` is for tests of the migrations themselves.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from urllib.parse import quote

import psycopg
import pytest
from pytest_postgresql import factories

from falconeri.db.migrate import migrate

pytest_plugins = ["tests.plugins.embedded"]

Connect = Callable[[], psycopg.Connection]
"""Opens another connection, in autocommit mode, to the test's database."""


# The time of the rules: a session may set it.
NOW = """
create or replace function falconeri._now() returns timestamptz
language sql volatile parallel safe
return coalesce(nullif(current_setting('falconeri.now', true), '')::timestamptz, clock_timestamp())
"""


def _migrate(*, host: str, port: int, user: str, password: str, dbname: str, **_: object) -> None:
    url = _url(host, port, user, password, dbname)
    migrate(url)
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(NOW)


def _url(host: str, port: int, user: str, password: str, dbname: str) -> str:
    return f"postgresql://{quote(user)}:{quote(password, safe='')}@{host}:{port}/{dbname}"


def _url_of(conn: psycopg.Connection) -> str:
    info = conn.info
    return _url(info.host, info.port, info.user, info.password, info.dbname)


# Its loaders are callables of any shape, which a strict type checker can't see through.
postgresql_noproc = factories.postgresql_noproc(load=[_migrate])  # pyright: ignore[reportUnknownMemberType]
postgresql = factories.postgresql("postgresql_noproc")
postgresql_empty_noproc = factories.postgresql_noproc(dbname="empty")  # pyright: ignore[reportUnknownMemberType]
postgresql_empty = factories.postgresql("postgresql_empty_noproc")


@pytest.fixture
def database_url(postgresql: psycopg.Connection) -> str:
    """The URL of a fresh, migrated database."""
    return _url_of(postgresql)


@pytest.fixture
def empty_database_url(postgresql_empty: psycopg.Connection) -> str:
    """The URL of a fresh database with nothing in it."""
    return _url_of(postgresql_empty)


@pytest.fixture
def connect(database_url: str) -> Iterator[Connect]:
    with ExitStack() as opened:

        def open_another() -> psycopg.Connection:
            # A wait that nobody meant fails its test instead of keeping it waiting.
            options = "-c lock_timeout=30s"
            return opened.enter_context(
                psycopg.connect(database_url, autocommit=True, options=options)
            )

        yield open_another


@pytest.fixture
def conn(connect: Connect) -> psycopg.Connection:
    return connect()
