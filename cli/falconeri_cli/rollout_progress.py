"""Shows how a deployment gets on, on stderr: bars on a terminal, elsewhere a line at each change.

Called by `deploying`. Whoever stops it stops only the watching: what is deployed goes on by itself.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Generator, Iterable

import typer

from falconeri.deployment.rollout import States, in_words
from falconeri.deployment.status import Component
from falconeri_cli import signals


def follow(states: Iterable[States]) -> None:
    """Show each state until the last, when all are ready.

    Raises:
        FalconeriError: What the states raise.
        Stopped: A signal asked for the end, and the person was told that nothing is undone.
    """
    try:
        if sys.stderr.isatty():
            _show_bars(states)
        else:
            _print_lines(states)
    except signals.Stopped:
        typer.echo(
            "falconeri: no longer waiting; the deployment goes on by itself, `falconeri status` "
            "says how it is",
            err=True,
        )
        raise


def _print_lines(states: Iterable[States]) -> None:
    shown = ""
    for components in states:
        words = in_words(components)
        if words != shown:
            typer.echo(f"falconeri: ready: {words}", err=True)
        shown = words


def _show_bars(states: Iterable[States]) -> None:
    with _bars() as show:
        for components in states:
            for component in components:
                show(component)


@contextlib.contextmanager
def _bars() -> Generator[Callable[[Component], None]]:
    """A bar for each component; what is left on the screen is how they stood at the end."""
    from rich import progress as bars  # noqa: PLC0415  (only a terminal needs it)
    from rich.console import Console  # noqa: PLC0415

    tasks: dict[str, bars.TaskID] = {}
    display = bars.Progress(
        bars.TextColumn("{task.description:<20}", markup=False),
        bars.BarColumn(bar_width=30),
        bars.TextColumn("{task.completed:.0f}/{task.total:.0f} {task.fields[words]}", markup=False),
        bars.TimeElapsedColumn(),
        console=Console(stderr=True),
    )

    def show(component: Component) -> None:
        if component.name not in tasks:
            tasks[component.name] = display.add_task(
                component.name, total=component.wanted, words=""
            )
        display.update(
            tasks[component.name],
            total=component.wanted,
            # Old pods may be ready while the new ones are not: that is not the end.
            completed=min(component.ready, component.wanted),
            words="ready" if component.settled else "updating",
        )

    with display:
        yield show
