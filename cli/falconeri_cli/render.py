"""What jobs and datums look like as text.

Called by the commands that print; takes what falconerid answered, returns strings. The layout is
that of the original falconeri, whose users' scripts read it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from falconeri.states import DatumStatus
from falconeri.wire.codec import time_text
from falconeri.wire.records import (
    Datum,
    DatumDescription,
    DatumStatusCount,
    Job,
    JobDescription,
    MemoryRung,
    Wait,
)
from falconeri_cli.plain import clean, last_lines, one_line

_OUTPUT_TAIL_LINES = 5


def jobs_table(jobs: Sequence[Job]) -> str:
    """Return the table of `job list`, in the order given."""
    rows = [("JOB_NAME", "STATUS", "CREATED_AT")]
    rows += [(job.job_name, status(job), time_text(job.created_at, " ")) for job in jobs]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(f" {a:<{widths[0]}}  {b:<{widths[1]}}  {c} " for a, b, c in rows)


def job_description(description: JobDescription) -> str:
    """Return what `job describe` prints."""
    return "\n".join(_job_lines(description))


def datum_description(description: DatumDescription) -> str:
    """Return what `datum describe` prints."""
    return "\n".join(_datum_lines(description))


def failed_datum(datum: Datum, *, output_lines: int = _OUTPUT_TAIL_LINES) -> list[str]:
    """Return a line for a failed datum, and the last lines of its output below it."""
    message = one_line(datum.error_message or "")
    lines = [f"{datum.id}  {time_text(datum.updated_at)}  {message}".rstrip()]
    lines += [f"  | {line}" for line in last_lines(datum.output or "", output_lines)]
    return lines


def status(job: Job) -> str:
    """Return a job's status in a word: also `paused`, which to the API is a kind of `running`."""
    return "paused" if job.paused and not job.status.finished else str(job.status)


def _job_lines(description: JobDescription) -> Iterator[str]:
    job = description.job
    yield f"ID: {job.id}"
    yield f"Job Name: {job.job_name}"
    yield f"Status: {status(job)}"
    yield f"Created At: {time_text(job.created_at)}"
    yield f"Updated At: {time_text(job.updated_at)}"
    yield f"Egress URI: {clean(job.egress_uri)}"
    if job.error_message:
        yield f"Error: {one_line(job.error_message)}"
    if description.waits:
        yield from ("", "Waiting:")
        yield from (f"  {_wait(wait)}" for wait in description.waits)
    yield from ("", "Datum status:")
    yield from (f"  {_count(count)}" for count in description.datum_status_counts)
    if description.rungs:
        yield from ("", "Memory:")
        yield from (f"  {_rung(rung)}" for rung in description.rungs)
    if description.running_datums:
        yield from ("", "Running datums:", "ID  STARTED_AT")
        yield from (f"{d.id}  {time_text(d.updated_at)}" for d in description.running_datums)
    if description.error_datums:
        yield from ("", "Errors:", "ID  FINISHED_AT  ERROR_MESSAGE")
        for datum in description.error_datums:
            yield from failed_datum(datum)


def _wait(wait: Wait) -> str:
    workers = "1 worker" if wait.pod_count == 1 else f"{wait.pod_count} workers"
    return f"{workers} since {time_text(wait.since)}: {wait.reason}: {one_line(wait.message)}"


def _rung(rung: MemoryRung) -> str:
    workers = "1 worker" if rung.workers == 1 else f"{rung.workers} workers"
    return f"{rung.memory}: {rung.ready} ready, {rung.running} running, {workers}"


def _count(count: DatumStatusCount) -> str:
    again = f" ({count.rerunable_count} to retry)" if count.rerunable_count else ""
    return f"{count.status}: {count.count}{again}"


def _datum_lines(description: DatumDescription) -> Iterator[str]:
    datum = description.datum
    yield f"ID: {datum.id}"
    yield f"Status: {datum.status}"
    yield f"Created At: {time_text(datum.created_at)}"
    yield f"Updated At: {time_text(datum.updated_at)}"
    if datum.node_name:
        yield f"Pod Name: {datum.pod_name or ''}".rstrip()
        yield f"Node Name: {datum.node_name}"
    yield f"Tries: {datum.attempted_run_count}/{datum.maximum_allowed_run_count}"
    yield from ("", "Input Files:")
    yield from (f"  {clean(file.uri)}" for file in description.input_files)
    if datum.error_message and datum.status is not DatumStatus.DONE:
        yield from ("", f"Error Message: {clean(datum.error_message).rstrip()}")
        if datum.backtrace:
            yield clean(datum.backtrace).rstrip()
    if description.log_tail:
        yield from ("", "Last Output:", clean(description.log_tail).rstrip("\n"))
    elif datum.output:
        yield from ("", "Output:", clean(datum.output).rstrip("\n"))
