"""Turns what went wrong into one line on stderr and an exit code.

Called by `main` alone, with whatever a command let through.
"""

from __future__ import annotations

import os
import traceback

import typer

from falconeri.errors import FalconeriError
from falconeri_cli.plain import clean, one_line

FAILED = 1
WRONG_INPUT = 2

_CALLERS_FAULT = (400, 422)


def report(ex: Exception) -> int:
    """Print the line, and the trace if FALCONERI_LOG is `debug`; return the exit code."""
    if os.environ.get("FALCONERI_LOG", "").lower() == "debug":
        traceback.print_exception(ex)
    message = _message(ex)
    if message.startswith("Usage:"):  # no command at all: the help is the best answer
        typer.echo(message, err=True)
        return exit_code(ex)
    typer.echo(f"falconeri: {one_line(message)}", err=True)
    for line in getattr(ex, "log_lines", []):
        typer.echo(f"  | {clean(line)}", err=True)
    return exit_code(ex)


def exit_code(ex: Exception) -> int:
    """2 when the caller can put it right in the command or the spec, else 1."""
    if isinstance(ex, FalconeriError):
        return WRONG_INPUT if ex.http_status in _CALLERS_FAULT else FAILED
    return ex.exit_code if isinstance(ex, typer.TyperException) else FAILED


def _message(ex: Exception) -> str:
    if isinstance(ex, FalconeriError):
        return str(ex)
    if isinstance(ex, typer.TyperException):
        said = ex.format_message().rstrip(".")
        context: typer.Context | None = getattr(ex, "ctx", None)
        if context is None or said.startswith("Usage:"):
            return said
        return f"{said} (`{context.command_path} --help` explains)"
    return f"{type(ex).__name__}: {ex} (a defect of falconeri; FALCONERI_LOG=debug shows the trace)"
