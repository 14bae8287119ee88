"""The Job controller: makes and deletes the pods of Jobs, and says how the Jobs end.

Called by `cluster` after each change. It follows the real one in what it counts and when; it
doesn't wait between a failed pod and the next (the real one does, from ten seconds on).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime

from tests.kube.deletion import delete
from tests.kube.happenings import has_condition, record, set_condition
from tests.kube.job_failures import judge_pod
from tests.kube.kinds import kind_named
from tests.kube.objects import part, parts
from tests.kube.refusals import Json, Refused
from tests.kube.store import Store, now

TRACKING = "batch.kubernetes.io/job-tracking"
"""The finalizer by which a pod stays until it has been counted."""

_SOURCE = "job-controller"
_JOB = kind_named("Job")
_POD = kind_named("Pod")
_ENDED = {"Succeeded", "Failed"}


class JobController:
    """Looks after all Jobs.

    Args:
        refuse_pod: Called before a pod is made; may raise `Refused`, as a quota would.
    """

    def __init__(self, store: Store, refuse_pod: Callable[[Json], None]) -> None:
        self._store = store
        self._refuse_pod = refuse_pod

    def reconcile(self) -> None:
        """Bring each Job one step nearer to what its spec says."""
        for job in self._store.list("Job"):
            with self._store.changed:
                current = self._store.find("Job", job["metadata"]["namespace"], _name(job))
                if current is not None:
                    self._reconcile(current)
        self._release_orphans()

    def _reconcile(self, job: Json) -> None:
        before = copy.deepcopy(job)
        status: Json = job.setdefault("status", {})
        pods = self._pods(job)
        self._count(job, pods)
        pods = self._pods(job)
        active = [pod for pod in pods if not _has_ended(pod) and not _is_leaving(pod)]
        leaving = [pod for pod in pods if not _has_ended(pod) and _is_leaving(pod)]
        if has_condition(job, "Failed") or has_condition(job, "Complete"):
            self._expire(job)
            return
        if "deletionTimestamp" not in job["metadata"]:
            self._judge(job, active)
            if has_condition(job, "FailureTarget") or has_condition(job, "SuccessCriteriaMet"):
                self._end(job, active, leaving)
            elif job["spec"].get("suspend"):
                self._suspend(job, active)
            else:
                self._run(job, active, leaving)
        pods = self._pods(job)
        status["active"] = sum(not _has_ended(p) and not _is_leaving(p) for p in pods)
        status["terminating"] = sum(not _has_ended(p) and _is_leaving(p) for p in pods)
        status["ready"] = sum(has_condition(p, "Ready") for p in pods if not _is_leaving(p))
        if status != before.get("status"):
            self._store.overwrite(job)

    def _pods(self, job: Json) -> list[Json]:
        uid = job["metadata"]["uid"]
        return [
            pod
            for pod in self._store.list("Pod", job["metadata"]["namespace"])
            if any(owner["uid"] == uid for owner in parts(pod["metadata"], "ownerReferences"))
        ]

    def _count(self, job: Json, pods: list[Json]) -> None:
        """Count the pods that have ended, each once, and let go of them."""
        status = job["status"]
        for pod in pods:
            finalizers = parts(pod["metadata"], "finalizers")
            if TRACKING not in finalizers or not _has_ended(pod):
                continue
            if pod["status"]["phase"] == "Succeeded":
                status["succeeded"] = status.get("succeeded", 0) + 1
            else:
                verdict = judge_pod(job, pod)
                if verdict.counts:
                    status["failed"] = status.get("failed", 0) + 1
                if verdict.fails_job:
                    set_condition(
                        status,
                        "FailureTarget",
                        reason="PodFailurePolicy",
                        message=verdict.message,
                    )
            self._release(pod)

    def _release(self, pod: Json) -> None:
        def make(current: Json) -> Json:
            kept = [f for f in parts(current["metadata"], "finalizers") if f != TRACKING]
            current["metadata"]["finalizers"] = kept
            return current

        self._store.change(_POD, pod["metadata"]["namespace"], _name(pod), make)

    def _release_orphans(self) -> None:
        """Let go of pods whose Job is gone."""
        for pod in self._store.list("Pod"):
            if TRACKING not in parts(pod["metadata"], "finalizers"):
                continue
            uids = {job["metadata"]["uid"] for job in self._store.list("Job")}
            owners = parts(pod["metadata"], "ownerReferences")
            if not any(owner["uid"] in uids for owner in owners):
                self._release(pod)

    def _judge(self, job: Json, active: list[Json]) -> None:
        spec, status = job["spec"], job["status"]
        if has_condition(job, "FailureTarget") or has_condition(job, "SuccessCriteriaMet"):
            return
        if status.get("failed", 0) > spec["backoffLimit"]:
            set_condition(
                status,
                "FailureTarget",
                reason="BackoffLimitExceeded",
                message="Job has reached the specified backoff limit",
            )
        elif _is_overdue(job):
            set_condition(
                status,
                "FailureTarget",
                reason="DeadlineExceeded",
                message="Job was active longer than specified deadline",
            )
        elif self._is_complete(job, active):
            set_condition(
                status, "SuccessCriteriaMet", reason="CompletionsReached", message="Reached"
            )

    @staticmethod
    def _is_complete(job: Json, active: list[Json]) -> bool:
        succeeded = job["status"].get("succeeded", 0)
        completions = job["spec"].get("completions")
        if completions is None:
            return succeeded > 0 and not active
        return succeeded >= completions

    def _end(self, job: Json, active: list[Json], leaving: list[Json]) -> None:
        """Delete what is left of the pods, and say so when there are none."""
        for pod in active:
            self._delete_pod(job, pod)
        if active or leaving:
            return
        status = job["status"]
        if has_condition(job, "FailureTarget"):
            cause = next(c for c in status["conditions"] if c["type"] == "FailureTarget")
            set_condition(status, "Failed", reason=cause["reason"], message=cause["message"])
            record(
                self._store, job, cause["reason"], cause["message"], source=_SOURCE, warning=True
            )
        else:
            set_condition(status, "Complete", reason="CompletionsReached", message="Reached")
            record(self._store, job, "Completed", "Job completed", source=_SOURCE)
            status["completionTime"] = now()

    def _suspend(self, job: Json, active: list[Json]) -> None:
        for pod in active:
            self._delete_pod(job, pod)
        job["status"].pop("startTime", None)
        if set_condition(
            job["status"], "Suspended", reason="JobSuspended", message="Job suspended"
        ):
            record(self._store, job, "Suspended", "Job suspended", source=_SOURCE)

    def _run(self, job: Json, active: list[Json], leaving: list[Json]) -> None:
        spec, status = job["spec"], job["status"]
        status.setdefault("startTime", now())
        if has_condition(job, "Suspended"):
            set_condition(status, "Suspended", value="False", reason="JobResumed")
            record(self._store, job, "Resumed", "Job resumed", source=_SOURCE)
        wanted = _wanted(job, len(active))
        for pod in active[wanted:]:
            self._delete_pod(job, pod)
        in_place = len(active) + (len(leaving) if spec["podReplacementPolicy"] == "Failed" else 0)
        for _ in range(wanted - in_place):
            if not self._make_pod(job):
                return

    def _make_pod(self, job: Json) -> bool:
        template = copy.deepcopy(job["spec"]["template"])
        metadata = part(template, "metadata")
        pod = {
            "metadata": {
                **metadata,
                "generateName": f"{_name(job)}-",
                "finalizers": [TRACKING],
                "ownerReferences": [
                    {
                        "apiVersion": "batch/v1",
                        "kind": "Job",
                        "name": _name(job),
                        "uid": job["metadata"]["uid"],
                        "controller": True,
                        "blockOwnerDeletion": True,
                    }
                ],
            },
            "spec": template["spec"],
        }
        try:
            self._refuse_pod(pod)
            made = self._store.create(_POD, job["metadata"]["namespace"], pod)
        except Refused as ex:
            message = f"Error creating: {ex.message}"
            record(self._store, job, "FailedCreate", message, source=_SOURCE, warning=True)
            return False
        record(self._store, job, "SuccessfulCreate", f"Created pod: {_name(made)}", source=_SOURCE)
        return True

    def _delete_pod(self, job: Json, pod: Json) -> None:
        delete(self._store, _POD, pod["metadata"]["namespace"], _name(pod))
        record(self._store, job, "SuccessfulDelete", f"Deleted pod: {_name(pod)}", source=_SOURCE)

    def _expire(self, job: Json) -> None:
        ttl_s = job["spec"].get("ttlSecondsAfterFinished")
        ends = [
            c["lastTransitionTime"]
            for c in job["status"]["conditions"]
            if c["type"] in {"Failed", "Complete"}
        ]
        if ttl_s is not None and _age_s(ends[0]) >= ttl_s:
            delete(self._store, _JOB, job["metadata"]["namespace"], _name(job), policy="Foreground")


def _name(obj: Json) -> str:
    return obj["metadata"]["name"]


def _has_ended(pod: Json) -> bool:
    return pod["status"].get("phase") in _ENDED


def _is_leaving(pod: Json) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def _wanted(job: Json, active: int) -> int:
    spec = job["spec"]
    if spec.get("completions") is None:
        # A work queue: the first to succeed has seen that nothing is left to do.
        return active if job["status"].get("succeeded", 0) else spec["parallelism"]
    left = spec["completions"] - job["status"].get("succeeded", 0)
    return min(spec["parallelism"], left)


def _is_overdue(job: Json) -> bool:
    limit_s, start = job["spec"].get("activeDeadlineSeconds"), job["status"].get("startTime")
    return limit_s is not None and start is not None and _age_s(start) >= limit_s


def _age_s(at: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds()
