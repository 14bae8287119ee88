"""The program `falconerid`: `serve` (the REST API), `tasks` (background work) and `migrate`.

`serve` and `tasks` are processes of their own, any number of each; they meet in the database only.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, TypeVar

import typer

from falconeri import __version__, log, threads
from falconeri.config import MAX_PROCESSES, OwnerConfig, ServerConfig
from falconeri.duration import parse_duration_s
from falconeri.errors import FalconeriError, Unavailable

# Imports are made when a command needs them: `serve` starts without what only `tasks` uses.
# ruff: noqa: PLC0415

_SCHEMA_EVERY_S = 1.0

Config = TypeVar("Config", ServerConfig, OwnerConfig)

AwaitSchemaOption = Annotated[
    str,
    typer.Option(
        metavar="DURATION",
        help="How long to wait for a database that is away, or not migrated yet, before giving up.",
    ),
]

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


def _print_version(wanted: bool) -> None:  # noqa: FBT001  (typer calls it so)
    if wanted:
        typer.echo(f"falconerid {__version__}")
        raise typer.Exit


@app.callback()
def root(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print and leave."),
    ] = False,
) -> None:
    """The server of Falconeri. Settings are variables: see docs/configuration.md."""
    del version


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
    await_schema: AwaitSchemaOption = "0s",
) -> None:
    """Answer the REST API until stopped."""
    # What is being loaded is no garbage: to look for some in it, time and again, is a seventh of
    # the start. `serve` switches it on again when all is there.
    gc.disable()

    def run(config: ServerConfig) -> None:
        _require_schema(config, await_schema)
        _serve(config if processes is None else replace(config, processes=processes))

    _run("falconerid serve", ServerConfig.from_environment, run)


@app.command()
def tasks(await_schema: AwaitSchemaOption = "0s") -> None:
    """Do the background work: start and stop workers, find and repair what died."""

    def run(config: ServerConfig) -> None:
        _require_schema(config, await_schema)
        _tasks(config)

    _run("falconerid tasks", ServerConfig.from_environment, run)


@app.command()
def migrate() -> None:
    """Bring the database to this version's schema. Safe to run at any time, also many at once."""
    _run("falconerid migrate", OwnerConfig.from_environment, _migrate)


def _run(
    program: str, read_config: Callable[[], Config], command: Callable[[Config], None]
) -> None:
    """Run a command with its settings; one clear line and exit 1 if it can't."""
    status = 0
    try:
        config = read_config()
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

    read_secret = secret_reader(config)
    if config.processes == 1:
        run(config, read_secret)
        return
    from falconeri.server.processes import serve_by

    serve_by(config.processes, lambda on_ready: run(config, read_secret, on_ready=on_ready))


def _tasks(config: ServerConfig) -> None:
    from falconeri.babysitter.run import run

    run(config)


def _migrate(config: OwnerConfig) -> None:
    import psycopg

    from falconeri.db.migrate import migrate as run

    try:
        run(config.database_url, server_url=config.server_database_url)
    except psycopg.OperationalError as ex:
        raise Unavailable("the database can't be reached", detail=str(ex)) from ex


def _require_schema(config: ServerConfig, patience: str) -> None:
    """Refuse to work with a database of another version; wait for it first, if that is wanted.

    Raises:
        Unavailable: It can't be reached, or isn't migrated.
        ValueError: `patience` is not a duration.
    """
    until = time.monotonic() + parse_duration_s(patience, name="--await-schema")
    while True:
        try:
            _check_schema(config)
        except Unavailable as ex:
            if time.monotonic() >= until:
                raise
            log.get_logger("falconeri.daemon").info("awaiting_schema", reason=str(ex))
            time.sleep(_SCHEMA_EVERY_S)
        else:
            return


def _check_schema(config: ServerConfig) -> None:
    import psycopg

    from falconeri.db.migrate import is_current

    try:
        current = is_current(config.database_url)
    except psycopg.OperationalError as ex:
        raise Unavailable("the database can't be reached", detail=str(ex)) from ex
    except psycopg.errors.InsufficientPrivilege as ex:
        raise Unavailable("the database can't be read", detail=str(ex)) from ex
    if not current:
        raise Unavailable("the database is not migrated", hint="run `falconerid migrate`")


if __name__ == "__main__":
    main()
