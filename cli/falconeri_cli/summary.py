"""What `local run` prints at the end: how it went, and what went wrong.

Called by `falconeri_cli.local_run` alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import typer

from falconeri.client.jobs import JobsClient
from falconeri.wire.records import Job, Progress
from falconeri_cli.plain import clean, one_line
from falconeri_cli.progress import retries
from falconeri_cli.render import failed_datum

_NAMED_FAILURES = 10


def print_summary(client: JobsClient, job: Job, last: Progress, *, elapsed_s: float) -> None:
    """Print the job's status, its counts, where its outputs lie; then the failed datums."""
    lines = list(_summary(job, last, elapsed_s))
    if last.error or not last.done:
        lines += _failures(client, job, last)
    typer.echo("\n".join(lines))


def _summary(job: Job, last: Progress, elapsed_s: float) -> Iterator[str]:
    rate = (last.done + last.error) / elapsed_s
    datums = f"{last.done} done"
    datums += f" ({last.recovered} recovered)" if last.recovered else ""
    datums += f", {last.error} failed"
    datums += f", {last.canceled} canceled" if last.canceled else ""
    yield f"{job.job_name}: {last.status}"
    yield f"  datums   {datums}, {retries(last)} retries"
    yield f"  elapsed  {elapsed_s:.1f} s ({rate:.1f} datums/s)"
    yield f"  outputs  {clean(job.egress_uri)}"


def _failures(client: JobsClient, job: Job, last: Progress) -> Iterator[str]:
    description = client.describe_job(job.id)
    if description.job.error_message:
        yield f"  error    {one_line(description.job.error_message)}"
    for datum in description.error_datums[:_NAMED_FAILURES]:
        yield from (f"  {line}" for line in failed_datum(datum))
    if last.error > _NAMED_FAILURES:
        yield f"  … and {last.error - _NAMED_FAILURES} more failed datums"
