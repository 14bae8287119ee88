"""What `job plan` prints: a line for each item, then inputs, first datums, and who may clash.

Called by the command alone; takes what falconerid answered, yields lines.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from falconeri.duration import duration_text
from falconeri.wire.plan import JobPlan, PlannedInput, PlannedSecret, Size
from falconeri_cli.plain import on_one_line

_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_STEP = 1024
_INPUT_HEADER = ("MATCHES", "DATUMS", "TOTAL", "SMALLEST", "MEAN", "LARGEST", "GLOB", "REPO", "URI")
_NUMBERS = 6
"""Columns that are aligned to the right."""


def plan_lines(plan: JobPlan) -> Iterator[str]:
    """Yield the lines of a plan."""
    yield f"Pipeline: {plan.pipeline_name}"
    yield f"Image: {on_one_line(plan.image)}"
    yield f"Command: {on_one_line(shlex.join(plan.command))}"
    yield f"Datums: {plan.datums:,} (at most {plan.max_datums:,})"
    yield f"To fetch: {_size(plan.size, plan.datums)}"
    yield f"Workers: {plan.parallelism:,}, each with {plan.memory} and {plan.cpu:g} CPUs"
    if plan.memory_rungs:
        yield f"Out of memory: again with {', then '.join(plan.memory_rungs[1:])}"
    yield f"Tries: {plan.max_tries}{_delay(plan.retry_delay_s)}"
    if plan.timeout_s is not None:
        yield f"Timeout: {duration_text(plan.timeout_s)}"
    yield f"Egress URI: {on_one_line(plan.egress_uri)}"
    yield from _block("Secrets:", map(_secret, plan.secrets))
    yield from _block("Inputs:", _table([_INPUT_HEADER, *map(_input_row, plan.inputs)]))
    yield from _block(f"{_first(plan)}:", _sample(plan))
    yield from _block(
        "Running jobs that may write the same files:",
        (f"{rival.job_name}  {on_one_line(rival.egress_uri)}" for rival in plan.rivals),
    )


def bytes_text(count: int) -> str:
    """Return a number of bytes as people read it: `512 B`, `1.5 KiB`, `23 GiB`."""
    amount, unit = float(count), "B"
    for bigger in _UNITS:
        if round(amount) < _STEP:
            break
        amount, unit = amount / _STEP, bigger
    # From there on `.1f` would write 10.0.
    digits = 1 if unit != "B" and amount < 9.95 else 0  # noqa: PLR2004
    return f"{amount:.{digits}f} {unit}"


def _size(size: Size, datums: int) -> str:
    if not size.exact and not size.largest_bytes:
        return "unknown (folders are not looked into)"
    text = f"{bytes_text(size.total_bytes)} in all"
    if datums > 1:
        text += f"; {bytes_text(size.smallest_bytes)} to {bytes_text(size.largest_bytes)} a datum"
        text += f", {bytes_text(size.mean_bytes)} on average"
    return text if size.exact else f"at least {text} (folders are not looked into)"


def _delay(delay_s: int) -> str:
    return f", the second after {duration_text(delay_s)}" if delay_s else ""


def _secret(secret: PlannedSecret) -> str:
    if secret.mount_path is not None:
        text = f"{secret.name} at {secret.mount_path}"
    else:
        text = f"{secret.name}: {secret.key} as {secret.env_var}"
    return on_one_line(text if secret.found else f"{text} (optional, not there)")


def _input_row(planned: PlannedInput) -> tuple[str, ...]:
    size = planned.size
    known = size.exact or size.largest_bytes
    mark = "" if size.exact else "\N{GREATER-THAN OR EQUAL TO}"
    counts = (size.total_bytes, size.smallest_bytes, size.mean_bytes, size.largest_bytes)
    sizes = (f"{mark}{bytes_text(count)}" if known else "-" for count in counts)
    names = (on_one_line(planned.glob), planned.repo, on_one_line(planned.uri))
    return (f"{planned.matches:,}", f"{planned.datums:,}", *sizes, *names)


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            f"{cell:>{width}}" if place < _NUMBERS else f"{cell:<{width}}"
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()


def _first(plan: JobPlan) -> str:
    shown = len(plan.sample)
    return "All datums" if shown == plan.datums else f"The first {shown} datums"


def _sample(plan: JobPlan) -> Iterator[str]:
    """Number the datums; each further input of one is on a line of its own."""
    width = len(str(len(plan.sample)))
    for number, datum in enumerate(plan.sample, start=1):
        for place, ref in enumerate(datum.inputs):
            label = f"{number if place == 0 else '':>{width}}"
            yield f"{label}  {on_one_line(ref.local_path)}  from  {on_one_line(ref.uri)}"
        if more := datum.input_count - len(datum.inputs):
            yield f"{'':>{width}}  and {more:,} more"


def _block(title: str, lines: Iterator[str]) -> Iterator[str]:
    """Yield a titled block after an empty line, or nothing if it has no lines."""
    first = next(lines, None)
    if first is not None:
        yield from ("", title, f"  {first}")
        yield from (f"  {line}" for line in lines)
