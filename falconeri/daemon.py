"""The program `falconerid`: `serve` (the REST API), `tasks` (background work) and `migrate`.

`serve` and `tasks` are processes of their own, any number of each; they meet in the database only.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated

import typer

from falconeri import __version__, log, threads
from falconeri.config import MAX_PROCESSES, ServerConfig
from falconeri.errors import FalconeriError, Unavailable

# Imports are made when a command needs them: `serve` starts without what only `tasks` uses.
# ruff: noqa: PLC0415

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="The server of Falconeri. Settings are variables: see docs/configuration.md.",
)


def main() -> None:
    """Run the program."""
    app()


@app.callback()
def root(
    *, version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False
) -> None:
    """The server of Falconeri. Settings are variables: see docs/configuration.md."""
    if version:
        typer.echo(f"falconerid {__version__}")
        raise typer.Exit


@app.command()
def serve(
    processes: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MAX_PROCESSES,
            help="How many processes share both ports. [default: FALCONERI_PROCESSES, or 1]",
        ),
    ] = None,
) -> None:
    """Answer the REST API until stopped."""

    def run(config: ServerConfig) -> None:
        _serve(config if processes is None else replace(config, processes=processes))

    _run("falconerid serve", run)


@app.command()
def tasks() -> None:
    """Do the background work: start and stop workers, find and repair what died."""
    _run("falconerid tasks", _tasks)


@app.command()
def migrate() -> None:
    """Bring the database to this version's schema. Safe to run at any time, also many at once."""
    _run("falconerid migrate", _migrate)


def _run(program: str, command: Callable[[ServerConfig], None]) -> None:
    """Run a command with its settings; one clear line and exit 1 if it can't."""
    status = 0
    try:
        config = ServerConfig.from_environment()
        log.setup(program, config.log_level)
        command(config)
    except (FalconeriError, ValueError) as ex:
        sys.stderr.write(f"{program}: {ex}\n")
        status = 1
    threads.await_others(status)
    sys.exit(status)


def _serve(config: ServerConfig) -> None:
    from falconeri.cluster.choice import secret_reader
    from falconeri.server.serve import serve as run

    _require_schema(config)
    read_secret = secret_reader(config)
    if config.processes == 1:
        run(config, read_secret)
        return
    from falconeri.server.processes import serve_by

    serve_by(config.processes, lambda on_ready: run(config, read_secret, on_ready=on_ready))


def _tasks(config: ServerConfig) -> None:
    from falconeri.babysitter.run import run

    _require_schema(config)
    run(config)


def _migrate(config: ServerConfig) -> None:
    import psycopg

    from falconeri.db.migrate import migrate as run

    try:
        run(config.database_url)
    except psycopg.OperationalError as ex:
        raise Unavailable("the database can't be reached", detail=str(ex)) from ex


def _require_schema(config: ServerConfig) -> None:
    """Refuse to work with a database of another version.

    Raises:
        Unavailable: It can't be reached, or isn't migrated.
    """
    import psycopg

    from falconeri.db.migrate import is_current

    try:
        current = is_current(config.database_url)
    except psycopg.OperationalError as ex:
        raise Unavailable("the database can't be reached", detail=str(ex)) from ex
    if not current:
        raise Unavailable("the database is not migrated", hint="run `falconerid migrate`")


if __name__ == "__main__":
    main()
