"""The root of the command line: its commands, its exit codes, its one-line errors.

What a command needs beyond typer is imported when the command runs: `falconeri --help` must be
there at once.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Annotated

import typer

import falconeri
from falconeri import log
from falconeri_cli import failures, signals
from falconeri_cli.commands import database, datum, deployment, job, local, schema

_EPILOG = (
    "Exit codes: 0 all is well; 1 the job failed or was canceled, or something is out of reach; "
    "2 wrong usage or wrong input (spec, bucket, secret); 128+n stopped by signal n. "
    "An error is one line on stderr; FALCONERI_LOG=debug adds the trace."
)

app = typer.Typer(
    name="falconeri",
    help="Run a command over the files of a bucket, in many workers at once.",
    epilog=_EPILOG,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(job.app, name="job")
app.add_typer(datum.app, name="datum")
app.add_typer(local.app, name="local")
app.add_typer(database.app, name="db")
app.command("deploy")(deployment.deploy)
app.command("undeploy")(deployment.undeploy)
app.command("status")(deployment.status)
app.command("proxy")(deployment.proxy)
app.command("migrate")(database.migrate)
app.command("schema")(schema.schema)


def _print_version(wanted: bool) -> None:  # noqa: FBT001  (typer calls it so)
    if wanted:
        typer.echo(f"falconeri {falconeri.__version__}")
        raise typer.Exit


@app.callback()
def _root(  # pyright: ignore[reportUnusedFunction]
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print and leave."),
    ] = False,
) -> None:
    del version


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code.

    Args:
        arguments: Without the program's name; those of this process if None.
    """
    _set_up_log()
    try:
        with signals.as_exceptions():
            code: object = app(args=arguments, prog_name="falconeri", standalone_mode=False)
    except signals.Stopped as ex:
        return ex.exit_code
    except Exception as ex:  # noqa: BLE001  (the outermost: a person gets one line, not a trace)
        return failures.report(ex)
    return code if isinstance(code, int) else 0


def _set_up_log() -> None:
    """Write log lines only for those who ask; the others get errors, once, in plain words."""
    level = os.environ.get("FALCONERI_LOG", "").lower()
    log.setup("falconeri", level if level in log.LEVELS else "error")
