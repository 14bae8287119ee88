"""What pods, volumes and deployments suffer from, in words, with what helps.

Called by `status`, with objects as the Kubernetes API has them.
"""

from __future__ import annotations

from dataclasses import dataclass

from falconeri.errors import FalconeriError
from falconeri.kube.api import KubeApi
from falconeri.kube.objects import Object, name_of, part, parts

LOG_LINES = 5

_NOT_PULLED = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}
_NOT_MADE = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong."""

    subject: str
    """`pod/falconerid-5d9f`, `persistentvolumeclaim/falconeri-postgres`."""
    message: str
    hint: str
    log: tuple[str, ...] = ()
    """The last lines of the container that it is about."""


def events_of(api: KubeApi, name: str) -> list[str]:
    """The messages of warnings about an object, newest first; none if we may not look."""
    try:
        events = api.list("Event", fields=f"involvedObject.name={name}")
    except FalconeriError:
        return []
    warnings = [event for event in events if event.get("type") == "Warning"]
    warnings.sort(key=_when, reverse=True)
    return [str(event.get("message") or event.get("reason") or "") for event in warnings]


def is_ready(pod: Object) -> bool:
    """Whether a pod gets requests."""
    ready = _condition(pod, "Ready")
    return ready is not None and ready.get("status") == "True"


def of_claim(claim: Object, warnings: list[str]) -> Problem:
    """Why a volume isn't there."""
    chosen = claim["spec"].get("storageClassName")
    message = "no volume for it yet"
    message += f": {warnings[0]}" if warnings else ""
    hint = f"is there a storage class `{chosen}`" if chosen else "is there a default storage class"
    hint += "? `kubectl get storageclass` lists them; --storage-class-name chooses one"
    return Problem(f"persistentvolumeclaim/{name_of(claim)}", message, hint)


def of_workload(workload: Object, pods: list[Object]) -> list[Problem]:
    """Why it has too few pods, or is not yet through."""
    subject = f"{workload['kind'].lower()}/{name_of(workload)}"
    for condition in parts(part(workload, "status"), "conditions"):
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            hint = "a quota, a policy or an admission webhook of the cluster refuses its pods"
            return [Problem(subject, str(condition.get("message")), hint)]
    if not pods:
        return [Problem(subject, "has no pods yet", "`kubectl describe` it if it stays so")]
    return [Problem(subject, "is being updated", "wait; `falconeri status` again")]


def of_pod(api: KubeApi, pod: Object) -> list[Problem]:
    """What keeps a pod from being ready; nothing if it is, or is on its way out."""
    if pod["metadata"].get("deletionTimestamp") or is_ready(pod):
        return []
    subject = f"pod/{name_of(pod)}"
    status = part(pod, "status")
    if (unscheduled := _condition(pod, "PodScheduled")) and unscheduled.get("status") == "False":
        hint = "smaller requests, or more nodes"
        return [Problem(subject, f"no node takes it: {unscheduled.get('message')}", hint)]
    found = [
        problem
        for key in ("initContainerStatuses", "containerStatuses")
        for container in parts(status, key)
        if (problem := _of_container(api, pod, container)) is not None
    ]
    if found:
        return found
    warnings = events_of(api, name_of(pod))
    if status.get("phase") == "Running":
        return [_unready(api, pod, subject, warnings)]
    message = f"is {str(status.get('phase') or 'pending').lower()}"
    message += f": {warnings[0]}" if warnings else ""
    return [Problem(subject, message, "`kubectl describe` it if it stays so")]


def _of_container(api: KubeApi, pod: Object, container: Object) -> Problem | None:
    """What a container's status complains of."""
    subject = f"pod/{name_of(pod)}"
    name = container["name"]
    waiting = part(container, "state", "waiting")
    reason, message = waiting.get("reason"), waiting.get("message") or ""
    if reason in _NOT_PULLED:
        return Problem(
            subject,
            f"its image {container.get('image')} can't be had: {message or reason}",
            "--image names another one; a local one (--development) must be on the node already",
        )
    if reason in _NOT_MADE:
        hint = "a secret or a key of one is missing? `falconeri deploy` makes its own"
        return Problem(subject, f"container {name} can't be made: {message or reason}", hint)
    ended = _last_end(container)
    if ended is None or (reason != "CrashLoopBackOff" and not ended.get("exitCode")):
        return None
    log = tuple(api.log(name_of(pod), name, lines=LOG_LINES))
    if ended.get("reason") == "OOMKilled":
        return Problem(subject, f"container {name} needs more memory", _more_memory(name), log)
    times = container.get("restartCount") or 0
    message = f"container {name} fails with exit code {ended.get('exitCode')}"
    message += f", {times} restarts" if times else ""
    if name == "migrate":
        message = f"the database is not migrated: {message}"
    return Problem(subject, message, f"`kubectl logs {name_of(pod)} -c {name}` has all of it", log)


def _last_end(container: Object) -> Object | None:
    """How it ended, unless it runs now."""
    if part(container, "state").get("running") is not None:
        return None
    ended = part(container, "state", "terminated") or part(container, "lastState", "terminated")
    return ended or None


def _more_memory(container: str) -> str:
    flags = {"postgres": "--postgres-memory", "minio": "--minio-memory"}
    return f"deploy with more {flags.get(container, '--falconerid-memory')}"


def _unready(api: KubeApi, pod: Object, subject: str, warnings: list[str]) -> Problem:
    containers = pod["spec"]["containers"]
    log = tuple(api.log(name_of(pod), containers[0]["name"], lines=LOG_LINES))
    message = "runs, but is not ready"
    message += f": {warnings[0]}" if warnings else ""
    return Problem(subject, message, "its log says why, or wait if it has just started", log)


def _condition(pod: Object, kind: str) -> Object | None:
    conditions = parts(part(pod, "status"), "conditions")
    return next((one for one in conditions if one.get("type") == kind), None)


def _when(event: Object) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or "")
