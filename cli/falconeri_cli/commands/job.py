"""`falconeri job …`: submit jobs, look at them, wait for them."""

# ruff: noqa: PLC0415  (what a command needs is imported when it runs: --help has to be quick)

from __future__ import annotations

from typing import Annotated

import typer

from falconeri_cli.commands.options import JobArgument, JsonOption, SpecArgument

app = typer.Typer(help="Submit jobs, look at them, wait for them.", no_args_is_help=True)

WaitOption = Annotated[bool, typer.Option("--wait", help="Wait for its end, as `job wait` does.")]


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


@app.command("list")
def list_jobs(*, as_json: JsonOption = False) -> None:
    """List all jobs, the newest first."""
    from falconeri.wire.records import JobsAnswer
    from falconeri_cli import connection, jobs, render

    found = connection.find().client().list_jobs()
    if as_json:
        jobs.print_json(JobsAnswer(found))
    else:
        typer.echo(render.jobs_table(found))


@app.command()
def describe(job: JobArgument, *, as_json: JsonOption = False) -> None:
    """Show a job, its counts, and the datums that run or have failed."""
    from falconeri_cli import connection, jobs, render

    client = connection.find().client()
    job_id = jobs.as_uuid(job) or client.find_job(job).id
    description = client.describe_job(job_id)
    if as_json:
        jobs.print_json(description)
    else:
        typer.echo(render.job_description(description))


@app.command()
def wait(job: JobArgument, *, as_json: JsonOption = False) -> None:
    """Wait for a job's end and print its status; the exit code is 0 only for `done`."""
    from falconeri_cli import connection, jobs

    client = connection.find().client()
    jobs.wait_for_end(client, jobs.find_job(client, job), as_json=as_json)


@app.command()
def retry(job: JobArgument) -> None:
    """Run the failed datums of an ended job again, as a new job, and print its name."""
    from falconeri_cli import connection, jobs

    client = connection.find().client()
    typer.echo(client.retry_job(jobs.find_job(client, job).id).job_name)


@app.command()
def cancel(job: JobArgument) -> None:
    """Stop a job and print its status; what its datums have written so far stays."""
    from falconeri_cli import connection, jobs

    client = connection.find().client()
    typer.echo(str(client.cancel_job(jobs.find_job(client, job).id).status))
