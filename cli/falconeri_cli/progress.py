"""Shows how a job gets on, on stderr: a bar on a terminal, a line now and then elsewhere.

Called by the commands that wait; stdout stays free for their result.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Sequence

import typer

from falconeri.errors import FalconeriError
from falconeri.wire.events import JobProgress
from falconeri.wire.records import Progress

_LINE_EVERY_S = 5.0
_SAME_LINE_EVERY_S = 60.0
_WHOLE_FROM = 10


def follow(updates: Iterable[Progress], *, lines: bool) -> Progress:
    """Show each update; return the last one.

    Args:
        updates: Until the job has ended.
        lines: Whether to print lines where there is no terminal.

    Raises:
        FalconeriError: There was no update at all.
    """
    if sys.stderr.isatty():
        return _show_bar(updates)
    return _consume(updates, _line_printer() if lines else _nothing)


def in_words(progress: Progress) -> str:
    """One line: `120/205 done, 1 failed, 4 running, 2 retries, 3.1/s, 26 s left`.

    The last two only where they are known.
    """
    words = [f"{progress.done}/{progress.total} done", f"{progress.error} failed"]
    words.append(f"{progress.running} running")
    words += [f"{progress.canceled} canceled"] if progress.canceled else []
    words += [f"{progress.recovered} recovered"] if progress.recovered else []
    words += [f"{retries(progress)} retries"] if retries(progress) else []
    words += _pace(progress) if isinstance(progress, JobProgress) else []
    return ", ".join(words)


def retries(progress: Progress) -> int:
    """How many failed tries were followed, or will be, by another one."""
    return max(0, progress.failed_attempts - progress.error)


def _pace(progress: JobProgress) -> list[str]:
    rate = progress.datums_per_s
    if not rate or progress.status.finished:
        return []
    words = [_scaled(rate, ((1, "/s"), (1 / 60, "/min"), (1 / 3600, "/h")))]
    if progress.expected_at is not None:
        # Not until that time: our clock may be another one.
        left_s = (progress.total - _settled(progress)) / rate
        words.append(_scaled(left_s, ((86400, " days"), (3600, " h"), (60, " min"), (1, " s"))))
        words[-1] += " left"
    return words


def _scaled(value: float, units: Sequence[tuple[float, str]]) -> str:
    """Write a number in the first unit of which it is at least one and a half, else the last."""
    size, name = next((unit for unit in units if value >= 1.5 * unit[0]), units[-1])
    number = value / size
    return f"{number:.0f}{name}" if number >= _WHOLE_FROM else f"{number:.2g}{name}"


def _consume(updates: Iterable[Progress], show: Callable[[Progress], None]) -> Progress:
    last: Progress | None = None
    for last in updates:
        show(last)
    if last is None:
        raise FalconeriError("the wait for a job ended before it began")
    return last


def _nothing(_progress: Progress) -> None:
    pass


def _line_printer() -> Callable[[Progress], None]:
    """Print a line when it is news, and seldom when it isn't."""
    printed_at = time.monotonic()
    printed = ""

    def show(progress: Progress) -> None:
        nonlocal printed, printed_at
        words = in_words(progress)
        pause_s = _SAME_LINE_EVERY_S if words == printed else _LINE_EVERY_S
        now = time.monotonic()
        if now - printed_at < pause_s or progress.status.finished:
            return
        printed, printed_at = words, now
        typer.echo(f"{progress.job_name}: {words}", err=True)

    return show


def _show_bar(updates: Iterable[Progress]) -> Progress:
    from rich import progress as bars  # noqa: PLC0415  (only a terminal needs it)
    from rich.console import Console  # noqa: PLC0415

    bar = bars.Progress(
        bars.TextColumn("{task.description}", markup=False),
        bars.BarColumn(bar_width=None),
        bars.TextColumn("{task.fields[words]}", markup=False),
        bars.TimeElapsedColumn(),
        console=Console(stderr=True),
    )
    with bar:
        task = bar.add_task("", total=None, words="")

        def show(progress: Progress) -> None:
            bar.update(
                task,
                description=progress.job_name,
                total=max(progress.total, 1),
                completed=_settled(progress) if progress.total else 1,
                words=in_words(progress),
            )

        return _consume(updates, show)


def _settled(progress: Progress) -> int:
    return progress.done + progress.error + progress.canceled
