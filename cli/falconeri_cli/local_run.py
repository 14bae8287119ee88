"""`falconeri local run`: a job from nothing to its outputs, on this machine.

Called by the command alone. Uses the stack that is up, else one of its own for the duration.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import typer

from falconeri.client.jobs import JobsClient
from falconeri.errors import InvalidSpec, Unavailable
from falconeri.local.stack import LocalStack
from falconeri.local.state import LocalState, RunningStack, default_state
from falconeri.wire.records import Job, Progress
from falconeri.wire.spec import PipelineSpec
from falconeri_cli import connection, local_stack
from falconeri_cli.jobs import leave_unless_done
from falconeri_cli.progress import follow
from falconeri_cli.signals import Stopped
from falconeri_cli.spec_file import load_spec
from falconeri_cli.summary import print_summary

_LOOK_EVERY_S = 0.5


@dataclass(frozen=True)
class _Host:
    """The stack that a job runs in, and whether it is ours to look after."""

    running: RunningStack
    own: LocalStack | None

    def check(self) -> None:
        if self.own is not None:
            self.own.check()


def run_locally(source: str, *, workers: int | None, keep: bool) -> None:
    """Run the job of a spec and print how it went.

    Args:
        source: The spec's path, or `-`.
        workers: Of a stack of our own, at once.
        keep: Whether a stack of our own stays up afterwards, until a signal comes.

    Raises:
        FalconeriError: A wrong spec (before anything is started), or a stack that fails.
        Stopped: A signal came before the job had ended.
        typer.Exit: With code 1: the job isn't done.
    """
    spec = load_spec(source)
    _require_image(spec)
    state = default_state()
    submitted: list[Job] = []
    try:
        with _host(state, workers) as host:
            last = _run(spec, host, submitted)
            if keep and host.own is not None:
                _stay(host.own, state)
    except Stopped:
        _say_what_remains(state, submitted)
        raise
    leave_unless_done(last)


def _require_image(spec: PipelineSpec) -> None:
    """Refuse an image directory that isn't there, while nothing has been started.

    Raises:
        InvalidSpec: `detail` names it.
    """
    image = spec.transform.image
    if image.startswith("file://") and not Path(image.removeprefix("file://")).is_dir():
        raise InvalidSpec(detail=f"transform.image: {image} is no directory")


@contextlib.contextmanager
def _host(state: LocalState, workers: int | None) -> Generator[_Host]:
    if (running := state.running_stack()) is not None:
        if workers is not None:
            typer.echo(f"the stack at {running.url} keeps its own number of workers", err=True)
        yield _Host(running, None)
        return
    with LocalStack(state, workers=workers or local_stack.cpu_count()) as stack:
        yield _Host(stack.running, stack)


def _run(spec: PipelineSpec, host: _Host, submitted: list[Job]) -> Progress:
    client = connection.of_stack(host.running).client()
    started = time.monotonic()
    job = client.create_job(spec)
    submitted.append(job)
    last = follow(_updates(client, job, host.check), lines=True)
    print_summary(client, job, last, elapsed_s=time.monotonic() - started)
    return last


def _updates(client: JobsClient, job: Job, check: Callable[[], None]) -> Iterator[Progress]:
    """Look at the job's counts, and after the stack, until the job has ended."""
    try:
        for progress in client.wait_for_job(job.id, hold_s=_LOOK_EVERY_S):
            yield progress
            check()
    except Unavailable:
        check()  # knows better why
        raise


def _stay(stack: LocalStack, state: LocalState) -> None:
    typer.echo(f"\n{local_stack.how_to_use(stack.running, state)}")
    with contextlib.suppress(Stopped):  # the normal end of it
        local_stack.stay_up(stack)


def _say_what_remains(state: LocalState, submitted: list[Job]) -> None:
    """After a signal: what became of the job."""
    if not submitted:
        typer.echo("falconeri: stopped before the job was submitted", err=True)
        return
    name = submitted[0].job_name
    if state.running_stack() is not None:
        text = f"{name} goes on (`falconeri job wait {name}`)"
    else:
        text = (
            f"{name} is kept in {state.path} (`falconeri local up` goes on with it; "
            f"`falconeri job cancel {name}` then ends it)"
        )
    typer.echo(f"falconeri: stopped; {text}", err=True)
