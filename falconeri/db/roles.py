"""The database's roles: made where they are missing, and given their rights anew.

A role is a file of `sql/roles/`, named like it; the file grants. Roles belong to the whole server,
and whoever migrates may not be allowed to create them: then they are left out, and the log says so.
Called by `falconeri.db.migrate`, which drops and makes anew what the rights are on.

A role of a file can't log in; `ensure_login` makes the one that a falconerid logs in as.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import ProgrammingError, sql
from psycopg import errors as pg
from psycopg.conninfo import conninfo_to_dict

from falconeri.errors import Conflict, InvalidArgument
from falconeri.log import get_logger

if TYPE_CHECKING:
    from pathlib import Path

    from psycopg import Connection

log = get_logger(__name__)

SERVER_ROLE = "falconeri_server"
"""What a falconerid may do: `sql/roles/falconeri_server.sql`."""


class LoginRefused(Conflict):
    """There is no role for falconerid to log in as, and we may not make one."""

    code = "login_refused"
    default_message = "the server's role is missing, or has no rights, and we may not make it"


def ensure_login(conn: Connection, server_url: str) -> None:
    """Let the user of a URL log in with its password, and do what a falconerid does.

    An owner who may not create roles has to find it made.

    Args:
        server_url: As falconerid's FALCONERI_DATABASE_URL.

    Raises:
        InvalidArgument: No URL, or one without a user.
        LoginRefused: It is missing and can't be made.
    """
    user, password = _user_and_password(server_url)
    if user == conn.info.user:
        return
    name = sql.Identifier(user)
    if not _may_create(conn):
        if not (_exists(conn, user) and _may_act_as(conn, user, SERVER_ROLE)):
            hint = f"as a superuser: create role {user} login password '…' in role {SERVER_ROLE}"
            raise LoginRefused(detail=user, hint=hint)
        return
    if not _exists(conn, user):
        conn.execute(sql.SQL("create role {}").format(name))
        log.info("login_made", role=user)
    conn.execute(sql.SQL("alter role {} login").format(name))
    if password:
        # Hashed here: the server's log may have statements.
        verifier = conn.pgconn.encrypt_password(password.encode(), user.encode(), b"scram-sha-256")
        conn.execute(sql.SQL("alter role {} password {}").format(name, verifier.decode()))
    if not _may_act_as(conn, user, SERVER_ROLE):
        conn.execute(sql.SQL("grant {} to {}").format(sql.Identifier(SERVER_ROLE), name))


def grant_all(conn: Connection, files: list[Path]) -> None:
    """Create the roles that are missing, if the connected user may, and grant to all that exist.

    Args:
        files: One for each role, named like it.
    """
    for file in files:
        role = file.stem
        if not _exists(conn, role):
            if not _may_create(conn):
                hint = "create it as a superuser, then migrate again"
                log.warning("role_left_out", role=role, hint=hint)
                continue
            _create(conn, role)
        conn.execute(file.read_bytes())


def is_granted(conn: Connection, files: list[Path]) -> bool:
    """Whether `grant_all` has nothing to do: no role to create, and all that exist have rights."""
    may_create = _may_create(conn)
    return all(
        _has_rights(conn, file) if _exists(conn, file.stem) else not may_create for file in files
    )


def _user_and_password(url: str) -> tuple[str, str]:
    try:
        parts = conninfo_to_dict(url)
    except ProgrammingError:  # its text, and so its trace, may quote the password
        raise InvalidArgument("the server's database URL is none") from None
    if not parts.get("user"):
        raise InvalidArgument("the server's database URL has no user")
    return str(parts["user"]), str(parts.get("password") or "")


def _may_act_as(conn: Connection, user: str, role: str) -> bool:
    query = "select pg_has_role(%s, %s, 'usage')"
    return conn.execute(query, (user, role)).fetchone() == (True,)


def _exists(conn: Connection, role: str) -> bool:
    return conn.execute("select from pg_roles where rolname = %s", (role,)).fetchone() is not None


def _may_create(conn: Connection) -> bool:
    query = "select from pg_roles where rolname = current_user and (rolsuper or rolcreaterole)"
    return conn.execute(query).fetchone() is not None


def _has_rights(conn: Connection, file: Path) -> bool:
    """Whether a role has what goes when schemas are made anew; who only listens has none of it."""
    if b"grant usage on schema" not in file.read_bytes():
        return True
    row = conn.execute(
        """
        select has_schema_privilege(%(role)s, 'falconeri', 'usage')
          or has_schema_privilege(%(role)s, 'report', 'usage')
        """,
        {"role": file.stem},
    ).fetchone()
    return row == (True,)


def _create(conn: Connection, role: str) -> None:
    try:
        with conn.transaction():
            conn.execute(sql.SQL("create role {} nologin").format(sql.Identifier(role)))
    except (pg.DuplicateObject, pg.UniqueViolation):
        # Another database of this server was migrated at the same moment.
        log.debug("role_was_made_meanwhile", role=role)
