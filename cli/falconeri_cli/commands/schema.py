"""`falconeri schema`."""

from __future__ import annotations

import typer


def schema() -> None:
    """Print the JSON Schema of the pipeline spec."""
    from falconeri_cli.schema import pipeline_schema_text  # noqa: PLC0415  (quick --help)

    typer.echo(pipeline_schema_text())
