"""Why a job's pods don't work yet, from what Kubernetes says of them: in words for people.

Pure functions of the API's objects. Called by `kubernetes`. The words have no pod's name and no
figure that changes by itself: what is still true reads as before, so that it need only be noted
when it changes, and those of many pods can be counted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from falconeri.kube.objects import Object, part, parts

_LONG = timedelta(seconds=60)
"""How long a scheduled pod may take to begin before that is worth a word."""

_IMAGE = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}
_CONFIGURATION = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
_CREATING = {"ContainerCreating", "PodInitializing"}
_VOLUME = {"FailedMount", "FailedAttachVolume"}
_BLOCKED = {*_VOLUME, "FailedCreatePodSandBox"}
"""Events of nodes that can't make what a pod needs."""

_POD_NAME = re.compile(r'pods "[^"]*" is forbidden: ')
_USED = re.compile(r", used: \S+(?=, limited: )")
_PREEMPTION = re.compile(r"\s*preemption: .*", re.DOTALL)


class Why(NamedTuple):
    """Why a pod waits: one word, and one line for people."""

    reason: str
    message: str


def may_wait(job: Object, pods: Iterable[Object]) -> bool:
    """Say whether it is worth asking for the events: a pod is pending, or one is missing."""
    return any(_is_pending(pod) for pod in pods) or _wants_pods(job)


def why_job_waits(
    job: Object, pods: Iterable[Object], events: Iterable[Object], *, now: datetime
) -> Counter[Why]:
    """Say why a Kubernetes Job's pods wait, with the number of pods; empty if none do.

    A Job whose pods are refused counts as one.

    Args:
        events: Those about the Job and its pods, in any order; others don't matter.
    """
    by_uid: dict[str, list[Object]] = {}
    for event in sorted(events, key=_time):
        by_uid.setdefault(part(event, "involvedObject").get("uid", ""), []).append(event)
    found = [why_pod_waits(pod, by_uid.get(_uid(pod), []), now=now) for pod in pods]
    found.append(_why_refused(job, by_uid.get(_uid(job), [])))
    return Counter(why for why in found if why)


def why_pod_waits(pod: Object, events: Iterable[Object], *, now: datetime) -> Why | None:
    """Say why one pod doesn't work, or None: it works, has ended, or has only just begun.

    Args:
        events: Those about the pod, the newest last.
    """
    if not _is_pending(pod):
        return None
    conditions = {each["type"]: each for each in parts(pod, "status", "conditions")}
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False":
        return _unscheduled(scheduled)
    containers = [
        *parts(pod, "status", "initContainerStatuses"),
        *parts(pod, "status", "containerStatuses"),
    ]
    waiting = [state for each in containers if (state := part(each, "state", "waiting"))]
    return _why_broken(waiting) or (_why_slow(waiting, events) if _lasts(scheduled, now) else None)


def _is_pending(pod: Object) -> bool:
    pending = part(pod, "status").get("phase") == "Pending"
    return pending and "deletionTimestamp" not in pod["metadata"]


def _why_broken(waiting: Iterable[Object]) -> Why | None:
    """What is wrong with a container, as soon as it is known."""
    for state in waiting:
        name, message = state.get("reason", ""), state.get("message")
        if name in _IMAGE:
            return Why("image", _line(f"its image can't be pulled ({name})", message))
        if name in _CONFIGURATION:
            return Why("configuration", _line(f"its container can't be made ({name})", message))
    return None


def _lasts(scheduled: Object, now: datetime) -> bool:
    since = scheduled.get("lastTransitionTime")
    return bool(since) and now - datetime.fromisoformat(since) >= _LONG


def _why_slow(waiting: list[Object], events: Iterable[Object]) -> Why | None:
    """What keeps a node from making a pod that it was given long ago."""
    blocked = [event for event in events if event.get("reason") in _BLOCKED]
    if blocked:
        name, message = blocked[-1]["reason"], blocked[-1].get("message")
        line = _line(f"its node can't prepare it ({name})", message)
        return Why("volume" if name in _VOLUME else "start", line)
    if waiting and all(state.get("reason") in _CREATING for state in waiting):
        return Why("start", "its node takes long to pull an image or to mount a volume")
    return None


def _unscheduled(scheduled: Object) -> Why:
    if scheduled.get("reason") == "SchedulingGated":
        return Why("unschedulable", "a scheduling gate holds it back")
    message = _PREEMPTION.sub("", scheduled.get("message", ""))
    return Why("unschedulable", _line("no node takes it", message))


def _wants_pods(job: Object) -> bool:
    spec, status = part(job, "spec"), part(job, "status")
    # A Job of ours gets no more pods once one has succeeded.
    if spec.get("suspend") or status.get("succeeded") or status.get("completionTime"):
        return False
    return status.get("active", 0) < spec.get("parallelism", 1)


def _why_refused(job: Object, events: Iterable[Object]) -> Why | None:
    """Why the Job gets no pods, if the newest attempt to make one was refused."""
    if not _wants_pods(job):
        return None
    tries = [e for e in events if e.get("reason") in {"FailedCreate", "SuccessfulCreate"}]
    if not tries or tries[-1]["reason"] == "SuccessfulCreate":
        return None
    message = tries[-1].get("message", "").removeprefix("Error creating: ")
    plain = _USED.sub("", _POD_NAME.sub("", message))
    return Why("quota", _line("the cluster refuses more pods", plain))


def _uid(obj: Object) -> str:
    return obj["metadata"]["uid"]


def _time(event: Object) -> datetime:
    """When an event was last seen: its recorders differ in where they write it."""
    written = (
        part(event, "series").get("lastObservedTime")
        or event.get("lastTimestamp")
        or event.get("eventTime")
    )
    return datetime.fromisoformat(written) if written else datetime.min.replace(tzinfo=UTC)


def _line(words: str, message: str | None) -> str:
    return f"{words}: {' '.join(message.split())}" if message else words
