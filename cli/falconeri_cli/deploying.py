"""What `falconeri deploy`, `undeploy`, `status` and `proxy` say, and what they ask.

Called by the commands; the work is done by `falconeri.deployment`. Results go to stdout, everything
that is for the person who waits to stderr.
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import typer

from falconeri.deployment import forward, install, remove, rollout
from falconeri.deployment import status as health
from falconeri.deployment.manifests import as_yaml
from falconeri.deployment.render import render
from falconeri.deployment.secrets import missing
from falconeri.duration import parse_duration_s
from falconeri.errors import FalconeriError, InvalidArgument, Unavailable
from falconeri.kube.api import KubeApi
from falconeri.kube.objects import Object
from falconeri_cli import asking, rollout_progress, signals
from falconeri_cli.plain import clean, one_line

if TYPE_CHECKING:
    from falconeri.deployment.options import Options
    from falconeri.deployment.status import Report

_GLANCE_S = 5.0
"""How long `--dry-run` asks a cluster that may not be there."""


@dataclass(frozen=True)
class Place:
    """Which cluster and namespace."""

    context: str | None
    namespace: str | None

    def connect(self, *, timeout_s: float | None = None) -> KubeApi:
        """Return the API; nothing is sent yet."""
        if timeout_s is None:
            return KubeApi.connect(context=self.context, namespace=self.namespace)
        return KubeApi.connect(context=self.context, namespace=self.namespace, timeout_s=timeout_s)


def print_manifests(place: Place, options: Options, *, skip_secrets: bool) -> None:
    """Print what would be applied, as YAML."""
    secrets: list[Object] = [] if skip_secrets else _secrets_to_print(place, options)
    typer.echo(as_yaml([*secrets, *render(options)]), nl=False)


def _secrets_to_print(place: Place, options: Options) -> list[Object]:
    """The secrets that the cluster lacks; all, if there is no cluster to ask."""
    try:
        return install.new_secrets(place.connect(timeout_s=_GLANCE_S), options, patient=False)
    except (InvalidArgument, Unavailable) as ex:
        _tell(
            f"can't ask which secrets exist ({one_line(str(ex))}); new ones are among the "
            "manifests: applied, they would replace those that exist"
        )
    return missing(options, lambda name: {} if name == options.database_secret else None)


def deploy(place: Place, options: Options, *, skip_secrets: bool, wait: str | None) -> None:
    """Deploy, with a line for each object, and follow the pods if that is wanted."""
    timeout_s = None if wait is None else _duration_s(wait)
    api = place.connect()
    objects = install.deploy(api, options, skip_secrets=skip_secrets, say=typer.echo)
    if timeout_s is None:
        return
    try:
        rollout_progress.follow(rollout.follow(api, objects, timeout_s=timeout_s))
    except Unavailable:
        with contextlib.suppress(FalconeriError):
            _print_problems(health.examine(api), err=True)
        raise


def undeploy(place: Place, *, all_of_it: bool, yes: bool) -> None:
    """Delete, with a line for each object, and say what is left."""
    api = place.connect()
    if all_of_it and not yes and sys.stdin.isatty() and sys.stderr.isatty():
        asking.require_yes(
            f"Delete Falconeri from namespace {api.namespace} of {api.url}, with all jobs and data?"
        )
    removal = remove.undeploy(api, all_of_it=all_of_it, say=typer.echo)
    for kept in removal.kept:
        typer.echo(f"{kept.partition(' (')[0]} kept ({kept.partition(' (')[2]}")
    if not (removal.deleted or removal.kept or removal.failures):
        _tell(f"nothing was deployed in namespace {api.namespace}")
    if removal.failures:
        raise Unavailable(
            f"{len(removal.failures)} objects could not be deleted",
            hint="repeat the command when the cluster allows it",
        )


def status(place: Place, *, as_json: bool) -> None:
    """Print how everything is; leave with 1 if something is wrong."""
    report = health.examine(place.connect())
    if as_json:
        found = {**asdict(report), "is_well": report.is_well}
        typer.echo(json.dumps(found, indent=2))
    else:
        typer.echo(f"Namespace {report.namespace} of {report.url}")
        for one in report.components:
            typer.echo(f"  {one.name:<20} {one.ready}/{one.wanted} ready  {clean(one.image)}")
        _print_problems(report)
        if report.is_well:
            typer.echo("All is well.")
    if not report.is_well:
        raise typer.Exit(1)


def proxy(place: Place, *, port_offset: int) -> None:
    """Forward until a signal asks for the end, which is no failure."""
    api = place.connect()
    with contextlib.suppress(signals.Stopped), contextlib.ExitStack() as stack:
        for route in forward.routes(api):
            here = forward.Forwarder(api, route, _tell, port=route.port + port_offset)
            stack.callback(here.close)
            _tell(f"{forward.HOST}:{here.port} is {route.what} ({route.service})")
        threading.Event().wait()


def _print_problems(report: Report, *, err: bool = False) -> None:
    for problem in report.problems:
        hint = f" ({problem.hint})" if problem.hint else ""
        typer.echo(f"{problem.subject}: {one_line(problem.message)}{hint}", err=err)
        for line in problem.log:
            typer.echo(f"  | {clean(line)}", err=err)


def _duration_s(text: str) -> int:
    try:
        return parse_duration_s(text, name="--timeout")
    except ValueError as ex:
        raise InvalidArgument(str(ex)) from ex


def _tell(line: str) -> None:
    typer.echo(f"falconeri: {line}", err=True)
