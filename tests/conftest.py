"""Fixtures for all tests: fresh databases on the run's server, quickly copied from a migrated one.

`database_url` is what most tests want; `conn` is a connection to it, `connect` opens more of them.
`catalog` is for tests that look and don't touch, `empty_database_url` for those of the migrations.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import psycopg
import pytest

from tests import databases

pytest_plugins = ["tests.plugins.embedded"]

Connect = Callable[[], psycopg.Connection]
"""Opens another connection, in autocommit mode, to the test's database."""


@pytest.fixture
def database_url() -> Iterator[str]:
    """The URL of a fresh, migrated database, in which a session may set the time."""
    with databases.timed_database() as url:
        yield url


@pytest.fixture
def empty_database_url() -> Iterator[str]:
    """The URL of a fresh database with nothing in it."""
    with databases.empty_database() as url:
        yield url


@pytest.fixture(scope="session")
def catalog() -> Iterator[psycopg.Connection]:
    """A connection to a migrated database of all tests: it can't write."""
    options = "-c default_transaction_read_only=on"
    with (
        databases.fresh_database() as url,
        psycopg.connect(url, autocommit=True, options=options) as conn,
    ):
        yield conn


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
