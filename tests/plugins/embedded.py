"""One PostgreSQL server for a whole run of the tests, xdist workers included.

Started by the process that controls the run and handed on by FALCONERI_TEST_DATABASE_URL, which
the workers inherit. Set it yourself to use a server of your own. pytest-postgresql gets the
address as its options, for `postgresql_noproc`.
"""

import os
import shutil
import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from falconeri.local import PostgresUnavailable, Server

URL_VARIABLE = "FALCONERI_TEST_DATABASE_URL"
_STARTED = pytest.StashKey[tuple[Server, Path]]()


def pytest_configure(config: pytest.Config) -> None:
    if config.option.collectonly:
        return
    if URL_VARIABLE not in os.environ:
        state = Path(tempfile.mkdtemp(prefix="falconeri-tests-"))
        state.chmod(0o755)  # as root the server runs as somebody else
        try:
            server = Server.start(state, durable=False)
        except PostgresUnavailable as ex:
            shutil.rmtree(state)
            raise pytest.UsageError(str(ex)) from ex
        config.stash[_STARTED] = server, state
        os.environ[URL_VARIABLE] = server.url
    url = urlsplit(os.environ[URL_VARIABLE])
    config.option.postgresql_host = url.hostname
    config.option.postgresql_port = url.port or 5432
    config.option.postgresql_user = unquote(url.username or "postgres")
    config.option.postgresql_password = unquote(url.password or "")


def pytest_unconfigure(config: pytest.Config) -> None:
    if (started := config.stash.get(_STARTED, None)) is not None:
        server, state = started
        del os.environ[URL_VARIABLE]
        server.stop()
        shutil.rmtree(state)
