"""What the lists of the command line look like, a line at a time: they may be of millions.

Called by the commands that list. Columns whose width is known come first, others' texts last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from falconeri.wire.codec import time_text
from falconeri.wire.controls import Attempt, Worker
from falconeri.wire.records import Datum, OutputFile
from falconeri_cli.plain import last_lines, on_one_line, one_line

_ATTEMPT_HEADER = ("ATTEMPT", "OUTCOME", "STARTED_AT", "FINISHED_AT", "POD_NAME", "ERROR_MESSAGE")
_OUTPUT_TAIL_LINES = 5


def datum_lines(datums: Iterable[Datum]) -> Iterator[str]:
    """Return the lines of `job datums`."""
    header = f"{'ID':<36}  {'STATUS':<8}  {'TRIES':>7}  ERROR_MESSAGE"
    return _below(header, map(_datum_line, datums))


def output_lines(files: Iterable[OutputFile]) -> Iterator[str]:
    """Return the lines of `job outputs`."""
    header = f"{'STATUS':<7}  {'SIZE_BYTES':>15}  URI"
    return _below(header, map(_output_line, files))


def attempt_lines(attempts: Sequence[Attempt]) -> Iterator[str]:
    """Yield the lines of `datum attempts`; below a failure, the last lines of its output."""
    rows = [_ATTEMPT_HEADER, *map(_attempt_row, attempts)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    outputs = ["", *(each.output if each.error_message else "" for each in attempts)]
    for row, output in zip(rows, outputs, strict=True):
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()
        yield from (f"  | {line}" for line in last_lines(output, _OUTPUT_TAIL_LINES))


def worker_lines(workers: Iterable[Worker]) -> Iterator[str]:
    """Return the lines of `job workers`; below each what it holds and prints, or died of."""
    header = f"{'STATE':<7}  {'LAST_HEARTBEAT_AT':<19}  POD_NAME  NODE_NAME"
    return _below(header, chain.from_iterable(map(_worker_lines, workers)))


def _below(header: str, lines: Iterator[str]) -> Iterator[str]:
    """Yield the header only when the first line, or the end, is there: an error comes alone."""
    first = next(lines, None)
    yield header
    if first is not None:
        yield first
    yield from lines


def _worker_lines(worker: Worker) -> Iterator[str]:
    at = worker.last_heartbeat_at
    heard = "-" if at is None else at.isoformat(timespec="seconds")
    names = f"{one_line(worker.pod_name)}  {one_line(worker.node_name)}"
    yield f"{worker.state:<7}  {heard:<19}  {names}"
    for held in worker.holds:
        since = held.claimed_at.isoformat(timespec="seconds")
        yield f"  {held.datum_id}  attempt {held.attempt}, since {since}"
        yield from (f"  | {line}" for line in last_lines(held.log_tail or "", _OUTPUT_TAIL_LINES))
    if worker.end_class is not None:
        yield f"  {worker.end_class}: {one_line(worker.end_message or '')}".rstrip()


def _datum_line(datum: Datum) -> str:
    tries = f"{datum.attempted_run_count}/{datum.maximum_allowed_run_count}"
    message = one_line(datum.error_message or "")
    return f"{datum.id}  {datum.status:<8}  {tries:>7}  {message}".rstrip()


def _output_line(file: OutputFile) -> str:
    size = "-" if file.size_bytes is None else file.size_bytes
    return f"{file.status:<7}  {size:>15}  {on_one_line(file.uri)}"


def _attempt_row(attempt: Attempt) -> tuple[str, ...]:
    message = one_line(attempt.error_message or "")
    if attempt.failure_class is not None:
        message = f"{attempt.failure_class}: {message}"
    return (
        str(attempt.attempt),
        attempt.outcome,
        time_text(attempt.started_at),
        time_text(attempt.finished_at),
        one_line(attempt.pod_name),
        message,
    )
