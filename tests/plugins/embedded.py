"""One PostgreSQL server for a whole run of the tests, xdist workers included.

Started by the process that controls the run and handed on by FALCONERI_TEST_DATABASE_URL, which
the workers inherit. Set it yourself to use a server of your own.
"""

import os
import shutil
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from falconeri.local import PostgresUnavailable, Server
from tests import databases
from tests.databases import URL_VARIABLE
from tests.folders import make_folder

_STARTED = pytest.StashKey[tuple[Server, Path]]()
_SCRAM_ITERATIONS_SINCE = 160000


def pytest_configure(config: pytest.Config) -> None:
    if config.option.collectonly or URL_VARIABLE in os.environ:
        return
    state = make_folder("tests")
    try:
        server = Server.start(state, durable=False)
    except PostgresUnavailable as ex:
        shutil.rmtree(state)
        raise pytest.UsageError(str(ex)) from ex
    make_logins_cheap(server)
    config.stash[_STARTED] = server, state
    os.environ[URL_VARIABLE] = server.url


def pytest_unconfigure(config: pytest.Config) -> None:
    databases.clear_up()
    if (started := config.stash.get(_STARTED, None)) is not None:
        server, state = started
        del os.environ[URL_VARIABLE]
        server.stop()
        shutil.rmtree(state)


def make_logins_cheap(server: Server) -> None:
    """Let a login, of which each test needs several, cost one round of hashing, not 4096."""
    with psycopg.connect(server.url, autocommit=True) as conn:
        if conn.info.server_version >= _SCRAM_ITERATIONS_SINCE:
            conn.execute("set scram_iterations = 1")
            password = sql.Literal(conn.info.password)
            conn.execute(sql.SQL("alter user current_user password {}").format(password))
