"""The role that a falconerid logs in as: made and given its rights by whoever migrates."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from falconeri.db.migrate import migrate
from falconeri.db.roles import LoginRefused
from falconeri.errors import InvalidArgument


@pytest.fixture
def user(conn: psycopg.Connection) -> Iterator[str]:
    """The name of a role that doesn't exist yet; it is dropped with the test."""
    name = f"falconerid {uuid.uuid4().hex}"
    yield name
    identifier = sql.Identifier(name)
    if conn.execute("select from pg_roles where rolname = %s", (name,)).fetchone():
        conn.execute(sql.SQL("drop owned by {}").format(identifier))
        conn.execute(sql.SQL("drop role {}").format(identifier))


def url_of(user: str, password: str, database_url: str) -> str:
    parts = urlsplit(database_url)
    quoted = f"{user.replace(' ', '%20')}:{password}@{parts.hostname}:{parts.port}"
    return parts._replace(netloc=quoted).geturl()


def test_server_logs_in_with_its_password_and_owns_nothing(user: str, database_url: str) -> None:
    server_url = url_of(user, "p%40ss%2Fword", database_url)

    migrate(database_url, server_url=server_url)

    with psycopg.connect(server_url, autocommit=True) as server:
        assert server.execute("select count(*), falconeri._now() from falconeri.jobs").fetchone()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            server.execute("drop function falconeri._now()")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            server.execute("create table falconeri.mine ()")


def test_new_password_is_taken_over(user: str, database_url: str) -> None:
    migrate(database_url, server_url=url_of(user, "old", database_url))

    migrate(database_url, server_url=url_of(user, "new", database_url))

    psycopg.connect(url_of(user, "new", database_url)).close()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url_of(user, "old", database_url))


def test_owner_may_be_the_server_too(conn: psycopg.Connection, database_url: str) -> None:
    before = conn.execute("select * from pg_roles order by oid").fetchall()

    migrate(database_url, server_url=database_url)

    assert conn.execute("select * from pg_roles order by oid").fetchall() == before


def test_owner_who_may_make_no_roles_is_told_how(
    conn: psycopg.Connection, user: str, database_url: str
) -> None:
    """It owns its database, as those of cloud providers do."""
    owner = sql.Identifier(user)
    database = f"of_{uuid.uuid4().hex}"
    conn.execute(sql.SQL("create role {} login password 'mine'").format(owner))
    conn.execute(sql.SQL("create database {} owner {}").format(sql.Identifier(database), owner))
    owner_url = urlsplit(url_of(user, "mine", database_url))._replace(path=f"/{database}").geturl()
    try:
        with pytest.raises(LoginRefused, match="create role nobody-yet login") as caught:
            migrate(owner_url, server_url=url_of("nobody-yet", "hidden", database_url))
        assert "hidden" not in str(caught.value)
    finally:
        name = sql.Identifier(database)
        conn.execute(sql.SQL("drop database {} with (force)").format(name))


@pytest.mark.parametrize("url", ["postgresql://host/db", "no url of host"])
def test_url_without_a_user_is_refused(url: str, database_url: str) -> None:
    with pytest.raises(InvalidArgument, match="database URL"):
        migrate(database_url, server_url=url)
