"""The database's roles: made where they are missing, and given their rights anew.

A role is a file of `sql/roles/`, named like it; the file grants. Roles belong to the whole server,
and whoever migrates may not be allowed to create them: then they are left out, and the log says so.
Called by `falconeri.db.migrate`, which drops and makes anew what the rights are on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import errors as pg
from psycopg import sql

from falconeri.log import get_logger

if TYPE_CHECKING:
    from pathlib import Path

    from psycopg import Connection

log = get_logger(__name__)


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
