"""Workers as pods: each job is a Kubernetes Job of its name, with a Secret that has its token.

Beside it there is one for each rung of the job's ladder of memory that is needed just then, since
all pods of a Kubernetes Job are alike. What ends one of them, ends the job.

Called by the daemon and the babysitter. What it knows of the cluster it knows by two watches (see
`informer`), so that looking costs nothing and news come at once. Any number of processes may each
have one of these for the same namespace; one namespace belongs to one installation.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from uuid import UUID

from falconeri.cluster.base import DeadWorker, RungSpec, WaitingWorkers, WorkersSpec
from falconeri.cluster.causes import cause_of_death, is_complete, why_job_failed
from falconeri.cluster.informer import Informer
from falconeri.cluster.manifest import (
    JOB_ID,
    LABELS,
    RUNG,
    ManifestSettings,
    job_manifest,
    token_secret,
)
from falconeri.cluster.waits import may_wait, why_job_waits
from falconeri.errors import InvalidSpec, SecretNotFound, Unavailable
from falconeri.kube.api import KubeApi
from falconeri.kube.objects import Object, part
from falconeri.kube.refusals import AlreadyExists, Unacceptable
from falconeri.log import get_logger

_log = get_logger(__name__)

_ENDED = {"Succeeded", "Failed"}


class KubernetesCluster:
    """Runs workers as pods; see `falconeri.cluster.base.Cluster` for its methods.

    Methods that look raise `Unavailable` while the watches are broken: whoever acts on an old view
    would take pods for dead that have only just begun.

    Args:
        on_death: Called by other threads when there is a death to take or a job has failed. Must
            return at once.
    """

    def __init__(
        self,
        api: KubeApi,
        settings: ManifestSettings,
        *,
        on_death: Callable[[], None] | None = None,
    ) -> None:
        self._api = api
        self._settings = settings
        self._wake = on_death or (lambda: None)
        self._lock = threading.Lock()
        self._deaths: list[DeadWorker] = []
        self._refused: dict[UUID, str] = {}
        labels = ",".join([JOB_ID, *(f"{key}={value}" for key, value in LABELS.items())])
        self._jobs = Informer(api, "Job", labels=labels, on_change=self._see_job)
        self._pods = Informer(api, "Pod", labels=labels, on_change=self._see_pod)
        self._jobs.start()
        self._pods.start()

    def start(self, workers: WorkersSpec) -> None:
        """Make sure that the job's Kubernetes Jobs exist, with its token and of their sizes.

        What was left undone by a call that failed half-way is done by the next. A job without
        parallelism is suspended.

        Raises:
            FalconeriError: The cluster can't be reached, or refuses for a reason that may go away.
        """
        try:
            self._start(workers, None)
            for rung in workers.rungs:
                self._start(workers, rung)
            needed = {0, *(rung.rung for rung in workers.rungs)}
            for job in self._present_jobs():
                if _job_id(job) == workers.job_id and _rung(job) not in needed:
                    self._delete(job)
        except (InvalidSpec, Unacceptable) as ex:
            with self._lock:
                self._refused[workers.job_id] = str(ex)
            self._wake()

    def stop(self, job_id: UUID) -> None:
        """Delete the job's Kubernetes Jobs, and with them all that they own; forget the job.

        Raises:
            FalconeriError: The cluster can't be reached.
        """
        with self._lock:
            self._refused.pop(job_id, None)
        found = self._api.list("Job", labels=f"{JOB_ID}={job_id}")
        for job in found:
            self._delete(job)

    def running_jobs(self) -> set[UUID]:
        """The jobs that have a Kubernetes Job which nobody has deleted, or were refused.

        Raises:
            Unavailable: The view of the cluster is out of date.
        """
        jobs = {job_id for job in self._present_jobs() if (job_id := _job_id(job))}
        with self._lock:
            return jobs | set(self._refused)

    def live_workers(self) -> set[tuple[UUID, str]]:
        """The pods that have not ended, also those that wait or are about to end.

        Raises:
            Unavailable: The view of the cluster is out of date.
        """
        _await(self._pods)
        return {
            (job_id, pod["metadata"]["name"])
            for pod in self._pods.objects()
            if _phase(pod) not in _ENDED and (job_id := _job_id(pod))
        }

    def take_deaths(self) -> list[DeadWorker]:
        """The deaths that were seen since the last call; also of pods that had ended before us."""
        with self._lock:
            deaths, self._deaths = self._deaths, []
        return deaths

    def failed_jobs(self) -> dict[UUID, str]:
        """The jobs whose Kubernetes Job has failed or was refused, with the reason."""
        failed = {
            job_id: f"its workers with more memory: {reason}" if _rung(job) else reason
            for job in self._jobs.objects()
            if "deletionTimestamp" not in job["metadata"]
            and (reason := why_job_failed(job))
            and (job_id := _job_id(job))
        }
        with self._lock:
            return {**failed, **self._refused}

    def waiting_workers(self) -> list[WaitingWorkers]:
        """Why pods don't work yet: no node, no image, a quota; from their states and events.

        Raises:
            Unavailable: The view of the cluster is out of date.
            FalconeriError: The events can't be read.
        """
        _await(self._pods)
        pods: dict[tuple[UUID | None, int], list[Object]] = {}
        for pod in self._pods.objects():
            pods.setdefault((_job_id(pod), _rung(pod)), []).append(pod)
        jobs = {
            (job_id, _rung(job)): job for job in self._present_jobs() if (job_id := _job_id(job))
        }
        jobs = {key: job for key, job in jobs.items() if may_wait(job, pods.get(key, []))}
        if not jobs:
            return []
        events = self._api.list("Event")
        now = datetime.now(UTC)
        return [
            WaitingWorkers(key[0], why.reason, why.message, count)
            for key, job in jobs.items()
            for why, count in why_job_waits(job, pods.get(key, []), events, now=now).items()
        ]

    def read_secret(self, name: str) -> Mapping[str, str]:
        """The keys and values of a Secret of the namespace.

        Raises:
            SecretNotFound: There is none, or it isn't text.
            FalconeriError: The cluster can't be reached, or doesn't let us look.
        """
        return read_secret(self._api, name)

    def close(self) -> None:
        """End the watches. Pods go on: they belong to the cluster."""
        self._jobs.stop()
        self._pods.stop()
        self._api.close()

    def _start(self, workers: WorkersSpec, rung: RungSpec | None) -> None:
        """Have the Kubernetes Job of the job itself, or of a rung of it."""
        job = self._existing_job(workers, rung)
        if job is None and (rung is None or rung.workers > 0):
            job = self._create_job(workers, rung)
        if job is None or why_job_failed(job):
            return
        if is_complete(job):
            # Its workers thought that all was done, which it is not: a new one, next time.
            self._delete(job)
            return
        self._fit(job, workers, rung)

    def _existing_job(self, workers: WorkersSpec, rung: RungSpec | None) -> Object | None:
        number = rung.rung if rung else 0
        return next(
            (
                job
                for job in self._present_jobs()
                if _job_id(job) == workers.job_id and _rung(job) == number
            ),
            None,
        )

    def _create_job(self, workers: WorkersSpec, rung: RungSpec | None) -> Object | None:
        """Create the Job; None if there is one that we don't see yet, or an old one is leaving."""
        manifest = job_manifest(workers, self._settings, rung)
        name = manifest["metadata"]["name"]
        try:
            job = self._api.create(manifest)
        except AlreadyExists:
            found = self._api.find("Job", name)
            if found is None or "deletionTimestamp" in found["metadata"]:
                return None
            if _job_id(found) != workers.job_id:
                raise InvalidSpec(
                    "another Kubernetes Job has the job's name", detail=name
                ) from None
            job = found
        self._jobs.note(job)
        _log.info(
            "kubernetes_job_created",
            job_id=workers.job_id,
            job_name=workers.job_name,
            kubernetes_job=name,
        )
        return job

    def _fit(self, job: Object, workers: WorkersSpec, rung: RungSpec | None) -> None:
        """Give the Job its token, its size, and leave to begin."""
        spec = job["spec"]
        if "startTime" not in part(job, "status"):
            self._give_token(job, workers)
        size = workers.parallelism
        if rung is not None:
            # Not less than before: Kubernetes would choose who has to go, at work or not.
            size = min(size, max(rung.workers, spec["parallelism"]))
        wanted: Object = {"suspend": size == 0}
        if size > 0:
            wanted["parallelism"] = size
        if any(spec.get(field) != value for field, value in wanted.items()):
            name = job["metadata"]["name"]
            self._jobs.note(self._api.merge("Job", name, {"spec": wanted}))

    def _give_token(self, job: Object, workers: WorkersSpec) -> None:
        # Its name is this Job's alone: if it is there, the call before or another process made it.
        with contextlib.suppress(AlreadyExists):
            self._api.create(token_secret(workers, job))

    def _delete(self, job: Object) -> None:
        metadata = job["metadata"]
        self._api.delete("Job", metadata["name"], uid=metadata["uid"])
        self._jobs.forget(job)

    def _present_jobs(self) -> list[Object]:
        _await(self._jobs)
        return [job for job in self._jobs.objects() if "deletionTimestamp" not in job["metadata"]]

    def _see_job(self, _before: Object | None, job: Object | None) -> None:
        if job is not None and why_job_failed(job):
            self._wake()

    def _see_pod(self, before: Object | None, pod: Object | None) -> None:
        """Note a pod's death: it has failed, or is gone without having succeeded."""
        if before is not None and _phase(before) in _ENDED:
            return
        last = pod or before
        if last is None or (pod is not None and _phase(pod) != "Failed"):
            return
        if (job_id := _job_id(last)) is None:
            return
        failure_class, message = cause_of_death(last)
        death = DeadWorker(job_id, last["metadata"]["name"], failure_class, message)
        with self._lock:
            self._deaths.append(death)
        self._wake()


def read_secret(api: KubeApi, name: str) -> Mapping[str, str]:
    """The keys and values of a Secret.

    Raises:
        SecretNotFound: There is none, or it isn't text.
        FalconeriError: The cluster can't be reached, or doesn't let us look.
    """
    secret = api.find("Secret", name)
    if secret is None:
        raise SecretNotFound(detail=f"{name} in namespace {api.namespace}")
    try:
        return {
            key: base64.b64decode(value).decode() for key, value in part(secret, "data").items()
        }
    except (binascii.Error, UnicodeDecodeError) as ex:
        raise SecretNotFound("secret is not text", detail=name) from ex


def _await(informer: Informer) -> None:
    if not informer.await_current():
        raise Unavailable("the Kubernetes API can't be watched: what runs there is not known")


def _job_id(obj: Object) -> UUID | None:
    """The falconeri job that an object belongs to; None for a label that somebody has spoilt."""
    try:
        return UUID(obj["metadata"]["labels"][JOB_ID])
    except ValueError:
        return None


def _rung(obj: Object) -> int:
    """Which rung's workers an object belongs to; 0 for those of the job itself."""
    text: str = obj["metadata"]["labels"].get(RUNG, "")
    return int(text) if text.isascii() and text.isdigit() else 0


def _phase(pod: Object) -> str:
    return part(pod, "status").get("phase", "Pending")
