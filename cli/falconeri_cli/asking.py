"""Asks a person before something that can't be undone.

Called by the commands; the question goes to stderr, as stdout is for their result.
"""

from __future__ import annotations

import sys

import typer

from falconeri.errors import InvalidArgument


def require_terminal() -> None:
    """Refuse to go on where nobody can be asked, before anything is done.

    Raises:
        InvalidArgument: stdin or stderr is no terminal.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise InvalidArgument(
            "there is no terminal to ask at", hint="`--yes` if it is meant to be deleted"
        )


def require_yes(question: str) -> None:
    """Ask, and leave unless the answer is yes.

    Raises:
        typer.Exit: With code 1: it isn't.
    """
    # Not by typer.confirm, which writes a part of the question to stdout.
    typer.echo(f"{question} [y/N] ", err=True, nl=False)
    answer = sys.stdin.readline().strip().lower()  # nothing at the end of the input
    if answer not in ("y", "yes"):
        typer.echo("falconeri: nothing was deleted", err=True)
        raise typer.Exit(1)
