"""`falconeri datum …`."""

# ruff: noqa: PLC0415  (what a command needs is imported when it runs: --help has to be quick)

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from falconeri_cli.commands.options import JsonOption

app = typer.Typer(help="Look at single datums.", no_args_is_help=True)

DatumArgument = Annotated[UUID, typer.Argument(metavar="ID", help="As `job datums` shows it.")]


@app.command()
def describe(datum: DatumArgument, *, as_json: JsonOption = False) -> None:
    """Show a datum, its input files, and what the program wrote."""
    from falconeri_cli import connection, jobs, render

    description = connection.find().client().describe_datum(datum)
    if as_json:
        jobs.print_json(description)
    else:
        typer.echo(render.datum_description(description))


@app.command()
def attempts(datum: DatumArgument, *, as_json: JsonOption = False) -> None:
    """Show every ended try at a datum, the first one first."""
    from falconeri.wire.controls import AttemptsAnswer
    from falconeri_cli import connection, jobs, tables

    found = connection.find().client().list_attempts(datum)
    if as_json:
        jobs.print_json(AttemptsAnswer(found))
    else:
        jobs.print_lines(tables.attempt_lines(found))
