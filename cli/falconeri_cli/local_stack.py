"""Brings a local stack up, says how to use it, takes it down.

Called by `falconeri local up|status|down` and by `local run`.
"""

from __future__ import annotations

import os
import shlex
import signal
import time

import typer

from falconeri.errors import Unavailable
from falconeri.local.stack import LocalStack
from falconeri.local.state import LocalState, RunningStack, default_state
from falconeri_cli.signals import Stopped

_CHECK_EVERY_S = 1.0
_DOWN_LIMIT_S = 15.0
_POLL_S = 0.05


def up(*, port: int, workers: int | None) -> None:
    """Run a stack until Ctrl-C or `falconeri local down`, its normal ends.

    Raises:
        StackAlreadyUp: Another process runs one.
        StackFailed: A part of it doesn't start, or keeps dying.
        Unavailable: The state directory can't be used, or the port is taken.
    """
    state = default_state()
    try:
        with LocalStack(state, workers=workers or cpu_count(), port=port) as stack:
            typer.echo(how_to_use(stack.running, state))
            stay_up(stack)
    except Stopped:
        typer.echo("falconeri: stopped", err=True)


def status() -> None:
    """Print where the stack is.

    Raises:
        typer.Exit: With code 1 if there is none.
    """
    state = default_state()
    stack = state.running_stack()
    if stack is None:
        typer.echo(f"not up (state: {state.path})")
        raise typer.Exit(1)
    typer.echo(f"up at {stack.url} (process {stack.pid}, state: {state.path})")


def down() -> None:
    """Stop the stack of another terminal and wait until it is gone.

    Raises:
        Unavailable: There is none, it is another user's, or it doesn't end.
    """
    state = default_state()
    stack = state.running_stack()
    if stack is None:
        raise Unavailable("no local stack is up", detail=str(state.path))
    try:
        os.kill(stack.pid, signal.SIGTERM)
    except OSError as ex:
        raise Unavailable(f"process {stack.pid} cannot be stopped", detail=str(ex)) from ex
    deadline = time.monotonic() + _DOWN_LIMIT_S
    while state.is_locked():
        if time.monotonic() > deadline:
            raise Unavailable(f"process {stack.pid} has not ended", detail=f"{_DOWN_LIMIT_S:.0f} s")
        time.sleep(_POLL_S)
    typer.echo("stopped")


def stay_up(stack: LocalStack) -> None:
    """Keep an eye on the stack for ever.

    Raises:
        Stopped: A signal asks for the end.
        StackFailed: A part of it keeps dying.
    """
    while True:
        time.sleep(_CHECK_EVERY_S)
        stack.check()


def how_to_use(running: RunningStack, state: LocalState) -> str:
    """Return what a person has to know; no password, but where it lies."""
    password = f'"falconeri:$(cat {shlex.quote(str(state.password_file))})"'
    lines = [
        f"Falconeri is up at {running.url} (Ctrl-C stops it; jobs are kept).",
        "",
        "  falconeri job run SPEC          submit a job; also: job list, describe, wait, retry",
        f"  curl -u {password} {running.url}jobs/list",
        "  falconeri db console            psql; `falconeri db url` prints the URL",
        "",
        f"  user falconeri, password in {state.password_file}",
        f"  state in {state.path}, logs in {state.logs}",
    ]
    if "FALCONERI_STATE" in os.environ:
        lines.append(f"  in other terminals: export FALCONERI_STATE={shlex.quote(str(state.path))}")
    return "\n".join(lines)


def cpu_count() -> int:
    """How many CPUs this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
