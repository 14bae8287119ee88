"""Says how an installation is, and what is wrong with it in words.

Called by `falconeri status`, and by `falconeri deploy --wait` when its patience is over. It only
looks. What a pod suffers from is `ailments`' knowledge.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from falconeri.deployment import ailments
from falconeri.deployment.ailments import Problem
from falconeri.deployment.render import (
    DATABASE_SECRET,
    MINIO,
    POSTGRES,
    SERVE,
    TASKS,
    containers,
)
from falconeri.deployment.secrets import FALCONERI
from falconeri.kube.api import KubeApi
from falconeri.kube.objects import Object, name_of, part, parts

_WORKLOADS = (
    ("StatefulSet", POSTGRES),
    ("Deployment", MINIO),
    ("Deployment", SERVE),
    ("Deployment", TASKS),
)
_CLAIMS = (POSTGRES, MINIO)


@dataclass(frozen=True)
class Component:
    """One of the things that run."""

    name: str
    kind: str
    ready: int
    wanted: int
    image: str
    settled: bool
    """All its pods are of the newest version, and ready."""


@dataclass(frozen=True)
class Report:
    """How everything is."""

    url: str
    namespace: str
    components: tuple[Component, ...]
    problems: tuple[Problem, ...]

    @property
    def is_well(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def examine(api: KubeApi) -> Report:
    """Look at everything.

    Raises:
        FalconeriError: The cluster can't be reached, or doesn't let us look.
    """
    found = _workloads(api)
    components = tuple(component_of(obj) for obj in found)
    if not found:
        message = f"nothing is deployed in namespace {api.namespace}"
        hint = "`falconeri deploy` does it; or name another --namespace or --context"
        return Report(api.url, api.namespace, (), (Problem("falconeri", message, hint),))
    problems = [
        *_absent(found),
        *_missing_secrets(api, found),
        *_pending_claims(api),
        *_of_workloads(api, found),
        *_unreachable(components),
    ]
    return Report(api.url, api.namespace, components, tuple(problems))


def database_secret(api: KubeApi) -> str | None:
    """The secret that the deployed falconerid takes its database from; None if there is none.

    Raises:
        FalconeriError: As `examine`.
    """
    deployment = api.find("Deployment", SERVE)
    return next(iter(_database_secrets([deployment])), None) if deployment else None


def component_of(workload: Object) -> Component:
    """What its status says."""
    status = part(workload, "status")
    wanted = workload["spec"].get("replicas", 1)
    ready = status.get("readyReplicas") or 0
    return Component(
        name=name_of(workload),
        kind=workload["kind"],
        ready=ready,
        wanted=wanted,
        image=containers(workload)[-1]["image"],
        settled=(status.get("observedGeneration") or 0) >= workload["metadata"].get("generation", 0)
        and (status.get("updatedReplicas") or 0) == wanted == (status.get("replicas") or 0)
        and ready == wanted,
    )


def _workloads(api: KubeApi) -> list[Object]:
    found = ((kind, api.find(kind, name)) for kind, name in _WORKLOADS)
    return [{"kind": kind, **obj} for kind, obj in found if obj is not None]


def _database_secrets(found: Iterable[Object]) -> set[str]:
    """The secrets that falconerid takes its database from."""
    return {
        reference["name"]
        for obj in found
        if name_of(obj) in {SERVE, TASKS}
        for container in containers(obj)
        for variable in parts(container, "env")
        if (reference := part(variable, "valueFrom", "secretKeyRef"))
    }


def _absent(found: list[Object]) -> Iterable[Problem]:
    """What should be there and isn't."""
    names = {name_of(obj) for obj in found}
    needed = [SERVE, TASKS]
    if DATABASE_SECRET in _database_secrets(found):
        needed.append(POSTGRES)
    for name in needed:
        if name not in names:
            yield Problem(name, "is not deployed", "`falconeri deploy` adds what is missing")


def _missing_secrets(api: KubeApi, found: list[Object]) -> Iterable[Problem]:
    for name in sorted({FALCONERI, *_database_secrets(found)}):
        if api.find("Secret", name) is None:
            hint = "`falconeri deploy` makes it"
            if name not in {FALCONERI, DATABASE_SECRET}:
                hint = "it has the URLs of your database: see `falconeri deploy --help`"
            yield Problem(f"secret/{name}", "is missing", hint)


def _pending_claims(api: KubeApi) -> Iterable[Problem]:
    for name in _CLAIMS:
        claim = api.find("PersistentVolumeClaim", name)
        if claim is not None and part(claim, "status").get("phase") == "Pending":
            yield ailments.of_claim(claim, ailments.events_of(api, name))


def _of_workloads(api: KubeApi, found: list[Object]) -> Iterable[Problem]:
    for workload in found:
        if component_of(workload).settled:
            continue
        name = name_of(workload)
        pods = api.list("Pod", labels=f"app={name}")
        problems = [problem for pod in pods for problem in ailments.of_pod(api, pod)]
        yield from problems or ailments.of_workload(workload, pods)


def _unreachable(components: Iterable[Component]) -> Iterable[Problem]:
    """Say what it means for those who use it."""
    effects = {
        SERVE: "nobody answers requests: no pod of it is ready",
        TASKS: "no workers are started or ended: no pod of it is ready",
        POSTGRES: "there is no database: its pod is not ready",
    }
    for one in components:
        if one.name in effects and one.ready == 0:
            yield Problem(one.name, effects[one.name], "")
