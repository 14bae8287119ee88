"""`falconeri job …`: submit jobs, look at them, wait for them, control them."""

# ruff: noqa: PLC0415  (what a command needs is imported when it runs: --help has to be quick)

from __future__ import annotations

from typing import Annotated

import typer

from falconeri.states import DatumStatus, JobStatus
from falconeri_cli.commands.options import JobArgument, JsonOption, SpecArgument, YesOption

app = typer.Typer(
    help="Submit jobs, look at them, wait for them, control them.", no_args_is_help=True
)

WaitOption = Annotated[bool, typer.Option("--wait", help="Wait for its end, as `job wait` does.")]
JobStatusOption = Annotated[JobStatus | None, typer.Option("--status", help="Only these.")]
DatumStatusOption = Annotated[DatumStatus | None, typer.Option("--status", help="Only these.")]
PrefixOption = Annotated[
    str | None,
    typer.Option(
        "--name", metavar="PREFIX", help="Only those whose name begins so, as a pipeline's does."
    ),
]
LimitOption = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="At most so many; all if absent.")
]
MatchingOption = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT", help="Only the datums whose latest failure has this in its message."
    ),
]
ParallelismOption = Annotated[
    int | None, typer.Option(min=0, metavar="N", help="Workers at once; as before if absent.")
]
TriesOption = Annotated[
    int | None,
    typer.Option("--tries", min=1, metavar="N", help="Of each datum; as before if absent."),
]
WorkersArgument = Annotated[
    int, typer.Argument(min=0, metavar="N", help="Workers at once; with 0 the datums wait.")
]


@app.command()
def run(spec: SpecArgument, *, wait: WaitOption = False, as_json: JsonOption = False) -> None:
    """Submit a job and print its name."""
    from falconeri.wire.records import JobAnswer
    from falconeri_cli import connection, jobs
    from falconeri_cli.spec_file import load_spec

    parsed = load_spec(spec)
    client = connection.find().client()
    job = client.create_job(parsed)
    if not as_json:
        typer.echo(job.job_name)
    elif not wait:
        jobs.print_json(JobAnswer(job))
    if wait:
        jobs.wait_for_end(client, job, as_json=as_json)


@app.command()
def plan(spec: SpecArgument, *, as_json: JsonOption = False) -> None:
    """Show what `job run` would run; nothing is created."""
    from falconeri.wire.plan import PlanAnswer
    from falconeri_cli import connection, jobs
    from falconeri_cli.plan_text import plan_lines
    from falconeri_cli.spec_file import load_spec

    parsed = load_spec(spec)
    planned = connection.find().client().plan_job(parsed)
    if as_json:
        jobs.print_json(PlanAnswer(planned))
    else:
        jobs.print_lines(plan_lines(planned))


@app.command("list")
def list_jobs(
    *,
    status: JobStatusOption = None,
    name: PrefixOption = None,
    limit: LimitOption = None,
    as_json: JsonOption = False,
) -> None:
    """List jobs, the newest first."""
    from falconeri.wire.records import JobsAnswer
    from falconeri_cli import connection, jobs, render

    client = connection.find().client()
    found = list(client.iter_jobs(status=status, name=name, limit=limit))
    if as_json:
        jobs.print_json(JobsAnswer(found))
    else:
        typer.echo(render.jobs_table(found))


@app.command()
def describe(job: JobArgument, *, as_json: JsonOption = False) -> None:
    """Show a job, its counts, and the datums that run or have failed."""
    from falconeri_cli import connection, jobs, render

    client = connection.find().client()
    description = client.describe_job(jobs.find_id(client, job))
    if as_json:
        jobs.print_json(description)
    else:
        typer.echo(render.job_description(description))


@app.command()
def datums(
    job: JobArgument, *, status: DatumStatusOption = None, as_json: JsonOption = False
) -> None:
    """List a job's datums in their order.

    With --json, each is an object on a line of its own.
    """
    from falconeri_cli import connection, jobs, tables

    client = connection.find().client()
    found = client.iter_datums(jobs.find_id(client, job), status=status)
    if as_json:
        jobs.print_json_lines(found)
    else:
        jobs.print_lines(tables.datum_lines(found))


@app.command()
def outputs(job: JobArgument, *, as_json: JsonOption = False) -> None:
    """List the files that a job has written or is writing.

    With --json, each is an object on a line of its own. The exit code is 0 only if all were listed.
    """
    from falconeri_cli import connection, jobs, tables

    client = connection.find().client()
    found = client.iter_outputs(jobs.find_id(client, job))
    if as_json:
        jobs.print_json_lines(found)
    else:
        jobs.print_lines(tables.output_lines(found))


@app.command()
def workers(job: JobArgument, *, as_json: JsonOption = False) -> None:
    """List a job's workers by name, what each holds, and what its program has printed last.

    With --json, each is an object on a line of its own.
    """
    from falconeri_cli import connection, jobs, tables

    client = connection.find().client()
    found = client.iter_workers(jobs.find_id(client, job))
    if as_json:
        jobs.print_json_lines(found)
    else:
        jobs.print_lines(tables.worker_lines(found))


@app.command()
def events(job: JobArgument, *, as_json: JsonOption = False) -> None:
    """Tell how a job is, now and whenever that changes, until it has ended.

    With --json, each event is an object on a line of its own.
    """
    from falconeri_cli import connection, jobs
    from falconeri_cli.event_lines import event_lines

    client = connection.find().client()
    found = client.events(jobs.find_id(client, job))
    if as_json:
        jobs.print_json_lines(found)
    else:
        jobs.print_lines(event_lines(found))


@app.command()
def wait(job: JobArgument, *, as_json: JsonOption = False) -> None:
    """Wait for a job's end and print its status; the exit code is 0 only for `done`."""
    from falconeri_cli import connection, jobs

    client = connection.find().client()
    jobs.wait_for_end(client, jobs.find_job(client, job), as_json=as_json)


@app.command()
def pause(job: JobArgument, *, as_json: JsonOption = False) -> None:
    """Begin no more datums of a job for now; those that run go on, then its workers end."""
    from falconeri_cli import connection, jobs

    client = connection.find().client()
    jobs.print_job(client.pause_job(jobs.find_id(client, job)), as_json=as_json)


@app.command()
def resume(job: JobArgument, *, as_json: JsonOption = False) -> None:
    """Let a paused job go on, and print its status."""
    from falconeri_cli import connection, jobs

    client = connection.find().client()
    jobs.print_job(client.resume_job(jobs.find_id(client, job)), as_json=as_json)


@app.command()
def scale(job: JobArgument, workers: WorkersArgument, *, as_json: JsonOption = False) -> None:
    """Change how many workers a running job has, and print its status."""
    from falconeri_cli import connection, jobs

    client = connection.find().client()
    scaled = client.scale_job(jobs.find_id(client, job), workers)
    jobs.print_job(scaled, as_json=as_json)


@app.command()
def retry(
    job: JobArgument,
    *,
    matching: MatchingOption = None,
    parallelism: ParallelismOption = None,
    tries: TriesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run what an ended job did not finish, as a new job.

    Prints the new job's name.
    """
    from falconeri.wire.records import JobAnswer
    from falconeri_cli import connection, jobs

    client = connection.find().client()
    new = client.retry_job(
        jobs.find_id(client, job), matching=matching, parallelism=parallelism, datum_tries=tries
    )
    if as_json:
        jobs.print_json(JobAnswer(new))
    else:
        typer.echo(new.job_name)


@app.command()
def cancel(job: JobArgument, *, as_json: JsonOption = False) -> None:
    """Stop a job and print its status; what its datums have written so far stays."""
    from falconeri_cli import connection, jobs

    client = connection.find().client()
    jobs.print_job(client.cancel_job(jobs.find_id(client, job)), as_json=as_json)


@app.command()
def delete(job: JobArgument, *, yes: YesOption = False, as_json: JsonOption = False) -> None:
    """Delete an ended job; the files it has written stay.

    All that is known of it goes: its datums, their attempts, the list of its files. Asks before,
    and refuses where there is no terminal to ask at, unless --yes is given.
    """
    from falconeri.wire.records import JobAnswer
    from falconeri_cli import asking, connection, jobs

    if not yes:
        asking.require_terminal()
    client = connection.find().client()
    doomed = jobs.find_job(client, job)
    if not yes:
        asking.require_yes(
            f"Delete {doomed.job_name} ({doomed.status}) and all that is known of it?"
        )
    client.delete_job(doomed.id)
    if as_json:
        jobs.print_json(JobAnswer(doomed))
    else:
        typer.echo("deleted")
