"""`falconeri local …`: a whole Falconeri on this machine, for one job or for a while."""

# ruff: noqa: PLC0415  (what a command needs is imported when it runs: --help has to be quick)

from __future__ import annotations

from typing import Annotated

import typer

from falconeri_cli.commands.options import SpecArgument, WorkersOption

app = typer.Typer(help="Run Falconeri on this machine alone.", no_args_is_help=True)

KeepOption = Annotated[
    bool, typer.Option("--keep", help="Stay up after the job, until Ctrl-C, to look around.")
]
PortOption = Annotated[
    int,
    typer.Option(min=1, max=65534, help="Of the REST API; the next one is for waiting clients."),
]


@app.command()
def run(spec: SpecArgument, *, workers: WorkersOption = None, keep: KeepOption = False) -> None:
    """Run one job here, from nothing to its outputs; in the stack that is up, if there is one.

    Ctrl-C stops everything. The job is not lost: `falconeri local up` goes on with it.
    """
    from falconeri_cli.local_run import run_locally

    run_locally(spec, workers=workers, keep=keep)


@app.command()
def up(*, port: PortOption = 8089, workers: WorkersOption = None) -> None:
    """Start Falconeri here and stay until Ctrl-C; unfinished jobs go on."""
    from falconeri_cli import local_stack

    local_stack.up(port=port, workers=workers)


@app.command()
def status() -> None:
    """Say whether a stack is up, and where; the exit code is 1 if none is."""
    from falconeri_cli import local_stack

    local_stack.status()


@app.command()
def down() -> None:
    """Stop the stack that another terminal has started."""
    from falconeri_cli import local_stack

    local_stack.down()
