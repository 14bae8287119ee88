"""Fixtures for all tests: fresh databases on the run's server, quickly copied from a migrated one.

`database_url` is what most tests want; `conn` is a connection to it, `connect` opens more of them.
`catalog` is for tests that look and don't touch, `empty_database_url` for those of the migrations.
`used_state` is for those with a local stack of their own: it starts without making a database.
"""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from falconeri.db.migrate import migrate
from falconeri.local import Server
from falconeri.local.state import LocalState
from tests import databases
from tests.folders import public_folder

pytest_plugins = ["tests.plugins.embedded"]

CopyState = Callable[[Path], None]
"""Makes a state directory, as a local stack leaves it."""

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


@pytest.fixture(scope="session")
def used_state() -> Iterator[CopyState]:
    """Makes copies of a state directory whose database is there and migrated."""
    with public_folder("state") as folder:
        state = LocalState(folder / "state")
        state.prepare()
        with Server.start(state.postgres, durable=False) as server:
            migrate(server.url)

        def copy_to(path: Path) -> None:
            # With the owners, which shutil would not keep.
            subprocess.run(["/bin/cp", "-a", state.path, path], check=True)

        yield copy_to
