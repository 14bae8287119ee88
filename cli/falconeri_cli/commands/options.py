"""Arguments and options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

SpecArgument = Annotated[
    str, typer.Argument(metavar="SPEC", help="A pipeline spec (JSON); `-` reads stdin.")
]
JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="A job's name or id.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
WorkersOption = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Workers at once; as many as there are CPUs if absent."),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]
