"""What several commands do with a job: find it by what was typed, wait for its end, print it.

Called by the commands; speaks to falconerid through `falconeri.client`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from uuid import UUID

import msgspec
import typer

from falconeri.client.jobs import JobsClient
from falconeri.states import JobStatus
from falconeri.wire import codec
from falconeri.wire.events import JobProgress
from falconeri.wire.records import Job, JobAnswer, Progress
from falconeri_cli.plain import one_line
from falconeri_cli.progress import follow
from falconeri_cli.render import status
from falconeri_cli.signals import Stopped


def find_job(client: JobsClient, name_or_id: str) -> Job:
    """Return a job by its name or its id.

    Raises:
        JobNotFound: Neither.
    """
    job_id = as_uuid(name_or_id)
    return client.find_job(name_or_id) if job_id is None else client.get_job(job_id)


def find_id(client: JobsClient, name_or_id: str) -> UUID:
    """Return the id of a job; an id is taken as it is, and nobody is asked.

    Raises:
        JobNotFound: There is no job of this name.
    """
    return as_uuid(name_or_id) or client.find_job(name_or_id).id


def as_uuid(text: str) -> UUID | None:
    """Read an id in any of its usual forms; a job's name never is one."""
    try:
        return UUID(text)
    except ValueError:
        return None


def wait_for_end(client: JobsClient, job: Job, *, as_json: bool) -> None:
    """Wait until the job has ended, print how, and leave with 1 if it isn't done.

    Raises:
        typer.Exit: It ended as error or canceled.
        Stopped: By a signal; the job goes on.
    """
    try:
        last = follow(_updates(client, job), lines=False)
    except Stopped:
        typer.echo(f"falconeri: no longer waiting; {job.job_name} goes on", err=True)
        raise
    if as_json:
        print_json(codec.convert(last, Progress))
    else:
        typer.echo(str(last.status))
    if last.status is not JobStatus.DONE:
        why = client.get_job(job.id).error_message or f"{last.error} datums failed"
        hint = f"`falconeri job describe {job.job_name}` tells more"
        typer.echo(f"falconeri: {job.job_name}: {one_line(why)} ({hint})", err=True)
    leave_unless_done(last)


def _updates(client: JobsClient, job: Job) -> Iterable[Progress]:
    """Each change for whoever looks at a bar; else only a look now and then, and the end."""
    if sys.stderr.isatty():
        return (event for event in client.events(job.id) if isinstance(event, JobProgress))
    return client.wait_for_job(job.id)


def print_job(job: Job, *, as_json: bool) -> None:
    """Print how a job stands after a command: its status, or `paused`."""
    if as_json:
        print_json(JobAnswer(job))
    else:
        typer.echo(status(job))


def leave_unless_done(progress: Progress) -> None:
    """Return only for a job that is done.

    Raises:
        typer.Exit: With code 1.
    """
    if progress.status is not JobStatus.DONE:
        raise typer.Exit(1)


def print_json(value: msgspec.Struct) -> None:
    """Print one of our types as JSON that people can read, too."""
    typer.echo(codec.text(value, indent=2))


def print_json_lines(values: Iterable[msgspec.Struct]) -> None:
    """Print each as it comes, as JSON on a line of its own: there may be millions."""
    for value in values:
        typer.echo(codec.text(value))


def print_lines(lines: Iterable[str]) -> None:
    """Print each line as it comes."""
    for line in lines:
        typer.echo(line)
