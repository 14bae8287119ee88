"""Brings a database to this program's schema: migrations once, functions whenever they changed.

Any number of programs may start at once: one migrates, the others wait for it. Called by
`falconerid migrate`, `falconeri migrate` and the tests.
"""

from __future__ import annotations

import hashlib
import random
import time
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import psycopg
from psycopg import errors as pg
from psycopg import sql

from falconeri.db import roles
from falconeri.errors import Conflict
from falconeri.log import get_logger
from falconeri.resources import sql_root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

log = get_logger(__name__)

LOCK_KEY = 0x66616C63
"""The advisory lock of whoever migrates; it dies with its session."""

MIN_VERSION = 150000
"""PostgreSQL 15, as `server_version` counts."""

VIEW_SCHEMAS = ("report", "compat")
"""Schemas with nothing but views of ours; all that `sql/views/` has no file for is dropped."""

LOCK_LIMIT_S = 2.0
"""How long a change waits for tables that falconerids of another version work with: whoever comes
meanwhile waits behind it. Then all of them have their turn, and it is tried again."""

TRIES = 60

_MARK = "Falconeri's: all views in it are dropped and made anew by its migrations."


class DatabaseTooNew(Conflict):
    """A newer falconeri has migrated this database: this one might damage it."""

    code = "database_too_new"
    default_message = "the database belongs to a newer falconeri"


class PostgresTooOld(Conflict):
    """The server lacks what our SQL needs."""

    code = "postgres_too_old"
    default_message = "PostgreSQL 15 or newer is needed"


class TablesInUse(Conflict):
    """Others, who don't let go of our tables, kept a change from being made at each try."""

    code = "tables_in_use"
    default_message = "the tables are in use"


class SchemaTaken(Conflict):
    """Somebody else has made a schema of a name that we need: its views would be lost."""

    code = "schema_taken"
    default_message = "a schema of this name is somebody else's"


def migrate(url: str, *, server_url: str | None = None) -> bool:
    """Migrate the database at `url`, waiting for others who do; falconerids may go on meanwhile.

    Args:
        url: With the user who shall own everything.
        server_url: With the user as whom falconerid logs in: it gets its password and its rights.

    Returns:
        Whether anything was changed.

    Raises:
        DatabaseTooNew: It knows migrations that we don't.
        LoginRefused: `server_url` has a user that doesn't exist, and we may not make it.
        PostgresTooOld: The server is older than 15.
        SchemaTaken: `report` or `compat` exists and is not ours.
        TablesInUse: Some transaction has had one of the tables for minutes.
        psycopg.OperationalError: It can't be reached.
    """
    with psycopg.connect(url, autocommit=True, application_name="falconeri migrate") as guard:
        if guard.info.server_version < MIN_VERSION:
            raise PostgresTooOld(detail=f"this is {guard.info.server_version // 10000}")
        guard.execute("select pg_advisory_lock(%s)", (LOCK_KEY,))
        limit = f"{LOCK_LIMIT_S * 1000:.0f}ms"
        guard.execute("select set_config('lock_timeout', %s, false)", (limit,))
        guard.execute("create schema if not exists falconeri")
        guard.execute("create schema if not exists procrastinate")
        for schema in VIEW_SCHEMAS:
            _make_view_schema(guard, schema)
        applied = 0
        for schema, source in _numbered():
            if _recorded_ids(guard, schema) != {file.stem for file in source.glob("*.sql")}:
                applied += _in_turn(partial(_apply_numbered, url, schema, source))
        reapplied = _in_turn(partial(_apply_code, guard, again=applied > 0))
        if server_url is not None:
            roles.ensure_login(guard, server_url)
        log.info("migrated", migrations=applied, functions_changed=reapplied)
        return applied > 0 or reapplied


def is_current(url: str) -> bool:
    """Whether the database has this program's functions, and so its tables.

    Raises:
        psycopg.OperationalError: It can't be reached.
    """
    with psycopg.connect(url, autocommit=True) as conn:
        return _code_checksum(conn) == checksum(_code_files())


def is_migrated(url: str) -> bool:
    """Whether the database has the functions of any version.

    Raises:
        psycopg.OperationalError: It can't be reached.
    """
    with psycopg.connect(url, autocommit=True) as conn:
        return _code_checksum(conn) is not None


def checksum(files: list[Path]) -> str:
    """One SHA-256 of all these files, names included."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(sql_root())}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _make_view_schema(conn: psycopg.Connection, schema: str) -> None:
    """Create a schema and mark it as ours, unless it is there already."""
    row = conn.execute(
        "select obj_description(to_regnamespace(%s), 'pg_namespace') is not distinct from %s"
        " from pg_namespace where nspname = %s",
        (schema, _MARK, schema),
    ).fetchone()
    if row is None:
        name = sql.Identifier(schema)
        with conn.transaction():
            conn.execute(sql.SQL("create schema {}").format(name))
            conn.execute(sql.SQL("comment on schema {} is {}").format(name, sql.Literal(_MARK)))
    elif not row[0]:
        raise SchemaTaken(detail=f"schema {schema}", hint="rename it, or use a database of its own")


def _numbered() -> Iterator[tuple[str, Path]]:
    """Each schema with the directory of its migrations, which are SQL files.

    Procrastinate's are found without importing it: that is slow, and there may be nothing to do.
    """
    found = find_spec("procrastinate")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("procrastinate", name="procrastinate")
    yield "procrastinate", Path(found.origin).parent / "sql" / "migrations"
    yield "falconeri", sql_root() / "migrations"


def _in_turn(change: Callable[[], T]) -> T:
    """Make a change that needs tables for itself, trying again while others have them.

    It and a call of a falconerid may each wait for the other; then either is refused.
    """
    tries = 1
    while True:
        try:
            return change()
        except (pg.DeadlockDetected, pg.LockNotAvailable) as ex:
            if tries == TRIES:
                hint = "pg_stat_activity and pg_locks show by whom"
                raise TablesInUse(detail=str(ex), hint=hint) from ex
            log.info("tables_in_use", error=str(ex))
            time.sleep(random.uniform(0.5, 1.0) * LOCK_LIMIT_S)  # noqa: S311
            tries += 1


def _recorded_ids(conn: psycopg.Connection, schema: str) -> set[str]:
    """What yoyo has written of the migrations in a schema; yoyo itself is slow to import."""
    table = sql.SQL("{}._yoyo_migration").format(sql.Identifier(schema))
    try:
        rows = conn.execute(sql.SQL("select migration_id from {}").format(table)).fetchall()
    except pg.UndefinedTable:
        return set()
    return {row[0] for row in rows}


def _apply_numbered(url: str, schema: str, source: Path) -> int:
    """Apply what is missing of a directory of migrations; its bookkeeping is in that schema."""
    yoyo: Any = import_module("yoyo")  # untyped, and slow to import
    backend = yoyo.get_backend(_yoyo_url(url, schema))
    try:
        # Not the package's __init__.py, which yoyo would take for a migration.
        migrations = yoyo.read_migrations(str(source)).filter(_is_sql)
        # The lock row of a migrator that died would block everybody; we hold the real lock.
        backend.break_lock()
        unknown = _applied_ids(backend) - {m.id for m in migrations}
        if unknown:
            raise DatabaseTooNew(
                detail=f"unknown migrations: {', '.join(sorted(unknown))}",
                hint="upgrade this program",
            )
        missing = backend.to_apply(migrations)
        with backend.lock():
            backend.apply_migrations(missing)
        return len(missing)
    finally:
        backend.connection.close()


def _is_sql(migration: Any) -> bool:  # noqa: ANN401 - yoyo is untyped
    return str(migration.path).endswith(".sql")


def _applied_ids(backend: Any) -> set[str]:  # noqa: ANN401 - yoyo is untyped
    backend.ensure_internal_schema_updated()
    return {
        row[0] for row in backend.execute("select migration_id from _yoyo_migration").fetchall()
    }


def _yoyo_url(url: str, schema: str) -> str:
    parts = urlsplit(url)
    settings = dict(parse_qsl(parts.query)) | {"schema": schema}
    limit = f"-c lock_timeout={LOCK_LIMIT_S * 1000:.0f}"
    settings["options"] = f"{settings.get('options', '')} {limit}".strip()
    query = urlencode(settings)
    return urlunsplit(parts._replace(scheme="postgresql+psycopg", query=query))


def _code_files() -> list[Path]:
    folders = ("functions", "views", "roles")
    return [file for folder in folders for file in sorted((sql_root() / folder).rglob("*.sql"))]


def _is_role(file: Path) -> bool:
    return file.parent.name == "roles"


def _code_checksum(conn: psycopg.Connection) -> str | None:
    try:
        row = conn.execute("select checksum from falconeri.applied_code").fetchone()
    except (pg.UndefinedTable, pg.InvalidSchemaName):
        return None
    return row[0] if row else None


def _apply_code(conn: psycopg.Connection, *, again: bool) -> bool:
    """Replace all functions, views and rights in one transaction, if they are not those wanted.

    Args:
        again: Even if they are: there may be new tables, on which nobody has rights.
    """
    files = _code_files()
    role_files = [file for file in files if _is_role(file)]
    wanted = checksum(files)
    if not again and _code_checksum(conn) == wanted and roles.is_granted(conn, role_files):
        return False
    with conn.transaction():
        conn.execute("set local check_function_bodies = off")
        for statement in _drop_statements(conn):
            conn.execute(statement)
        _create_in_order(conn, [file for file in files if not _is_role(file)])
        roles.grant_all(conn, role_files)
        conn.execute("delete from falconeri.applied_code")
        conn.execute("insert into falconeri.applied_code (checksum) values (%s)", (wanted,))
    return True


def _drop_statements(conn: psycopg.Connection) -> Iterator[bytes]:
    """What removes every view and function of ours, also those whose files are gone."""
    rows = conn.execute(
        """
        select format('drop view if exists %%s cascade', c.oid::regclass)
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relkind = 'v' and n.nspname = any(%s)
        union all
        select format('drop routine if exists %%s cascade', p.oid::regprocedure)
        from pg_proc p where p.pronamespace = 'falconeri'::regnamespace
        """,
        (["falconeri", *VIEW_SCHEMAS],),
    ).fetchall()
    return (row[0].encode() for row in rows)


def _create_in_order(conn: psycopg.Connection, files: list[Path]) -> None:
    """Create each file's function once what it is parsed against is there.

    SQL-bodied functions and views need what they call; that order is found, not written down.
    """
    waiting = files
    while waiting:
        refused: list[Path] = []
        for file in waiting:
            try:
                with conn.transaction():
                    conn.execute(file.read_bytes())
            except (pg.UndefinedFunction, pg.UndefinedTable, pg.UndefinedObject):
                if file == waiting[-1] and len(refused) == len(waiting) - 1:
                    raise
                refused.append(file)
        waiting = refused
