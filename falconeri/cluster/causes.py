"""Why a pod ended, from what Kubernetes says of it: for people, and for the datum's failure class.

Pure functions. Called by `kubernetes`.
"""

from __future__ import annotations

from falconeri.kube.objects import Object, part, parts
from falconeri.states import FailureClass

_SIGNALLED = 128
_DISRUPTIONS = {
    "PreemptionByScheduler": "preempted by a pod of higher priority",
    "DeletionByTaintManager": "its node was tainted or lost",
    "EvictionByEvictionAPI": "evicted: its node is being drained",
    "DeletionByPodGC": "its node was lost",
    "TerminationByKubelet": "evicted by its node",
}
"""What the reasons of the condition `DisruptionTarget` mean."""

_EVICTIONS = {"Evicted", "Preempting", "Preempted", "Shutdown", "Terminated"}
"""What nodes give as a pod's reason when they end it."""


def cause_of_death(pod: Object) -> tuple[FailureClass, str]:
    """The class and one line without ids, of a pod that has ended and not succeeded.

    Args:
        pod: As it was last seen.
    """
    status = part(pod, "status")
    ended = _worker_end(status)
    if ended.get("reason") == "OOMKilled":
        return FailureClass.OUT_OF_MEMORY, "the worker's container ran out of memory (OOMKilled)"
    if words := _disruption(status):
        return FailureClass.EVICTED, _with(words, status.get("message"))
    if reason := status.get("reason"):
        return FailureClass.LOST_WORKER, _with(f"the pod failed ({reason})", status.get("message"))
    if "deletionTimestamp" in pod["metadata"]:
        return FailureClass.EVICTED, "the pod was deleted"
    return FailureClass.LOST_WORKER, _exit(ended.get("exitCode"))


def _disruption(status: Object) -> str | None:
    """What the cluster has done to a pod, if it was the cluster."""
    for condition in parts(status, "conditions"):
        if condition["type"] == "DisruptionTarget" and condition["status"] == "True":
            reason = condition.get("reason", "")
            return _DISRUPTIONS.get(reason, f"disrupted ({reason})")
    reason = status.get("reason")
    return f"evicted ({reason})" if reason in _EVICTIONS else None


def _exit(code: int | None) -> str:
    if code is None:
        return "the worker's pod no longer exists"
    if code > _SIGNALLED:
        return f"the worker was killed by signal {code - _SIGNALLED}"
    return f"the worker exited with code {code}"


def _worker_end(status: Object) -> Object:
    """How the container ended that decided the pod's fate."""
    statuses = [*parts(status, "initContainerStatuses"), *parts(status, "containerStatuses")]
    ends = [part(entry, "state", "terminated") for entry in statuses]
    return next((end for end in ends if end.get("exitCode")), part({}))


def _with(words: str, message: str | None) -> str:
    return f"{words}: {message.strip()}" if message else words


def why_job_failed(job: Object) -> str | None:
    """Why a Kubernetes Job has come to an end before its work, or None if it hasn't."""
    for condition in parts(job, "status", "conditions"):
        if condition["type"] in {"Failed", "FailureTarget"} and condition["status"] == "True":
            reason, message = condition.get("reason", ""), condition.get("message", "")
            if reason == "DeadlineExceeded":
                return "the job's job_timeout is over"
            return f"its Kubernetes Job failed ({reason}): {message}"
    return None


def is_complete(job: Object) -> bool:
    """Whether a Kubernetes Job thinks that all its work is done."""
    conditions = parts(job, "status", "conditions")
    return any(c["type"] == "Complete" and c["status"] == "True" for c in conditions)
