"""The local cluster: workers as processes of this machine, each a pod of its own.

For trying things out and for single machines: what a job does here it does on Kubernetes. Its image
is a directory (`file:///…`, the workers' working directory) or ignored. Pods are kept apart so that
programs don't get in each other's way, not as a defence: they run as this process's user. None has
a limit of memory: workers of a rung of a job's ladder differ from its others in nothing but the
datums that they get.

Called by the daemon and the babysitter. Everything in the pods ends with this process, however it
ends. One local cluster per state directory.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID

from falconeri.cluster.base import DeadWorker, WaitingWorkers, WorkersSpec
from falconeri.cluster.leftovers import kill_leftovers
from falconeri.cluster.local_job import LocalJob, PodSettings
from falconeri.cluster.local_secrets import read_secret
from falconeri.cluster.plan import image_directory, parse_transform
from falconeri.cluster.pod import delete_tree
from falconeri.cluster.probe import why_no_private_root
from falconeri.errors import Conflict, InvalidSpec
from falconeri.log import get_logger

_log = get_logger(__name__)

_GRACE_S = 2.0
_KILL_S = 1.0


class LocalCluster:
    """Runs workers as child processes; see `falconeri.cluster.base.Cluster` for its methods.

    A worker that exits with 0 has done its work and is not replaced, except by a later `start`
    (there should be none: such a worker's job has ended). Every other end, also the end by `stop`
    (`evicted`), is a death. Deaths of up to three times the parallelism, and at least six, are
    tolerated within a minute; after that the job is in `failed_jobs`.

    Args:
        state: The directory that holds `pods/` (made by us) and `secrets/<name>/<key>`.
        slots: How many workers run at once. A job gets what is free, never more than its
            parallelism, and one worker even if nothing is free.
        worker_environment: Variables for all workers (`FALCONERI_URL`, …).
        worker_command: What a pod runs; the job's id is added as its last argument.
        on_death: Called by other threads, without locks held, when there is a death to take or a
            job has failed. Must return at once.
        sandbox: Whether pods see their directories as `/pfs` and `/scratch`; None for: if possible.

    Raises:
        Conflict: Another process runs a local cluster in `state`.
    """

    def __init__(
        self,
        state: Path,
        *,
        slots: int,
        worker_environment: Mapping[str, str],
        worker_command: Sequence[str] = (sys.executable, "-m", "falconeri_worker"),
        on_death: Callable[[], None] | None = None,
        sandbox: bool | None = None,
    ) -> None:
        self._state = state.resolve()
        self._slots = slots
        self._wake = on_death or (lambda: None)
        self._lock = threading.Lock()
        self._jobs: dict[tuple[UUID, int], LocalJob] = {}
        self._deaths: list[DeadWorker] = []
        self._closed = False
        self._claim = _claim_pods(self._state / "pods")
        self._settings = PodSettings(
            state=self._state,
            private_root=self._can_have_private_root() if sandbox is None else sandbox,
            worker_environment=dict(worker_environment),
            worker_command=tuple(worker_command),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def start(self, workers: WorkersSpec) -> None:
        """Make sure that the job's workers exist: as many as it wants and as slots are free.

        What there is stays when fewer are wanted, unless it is none: that ends them, within about
        three seconds. Does nothing for a job that has failed or is just being stopped, nor after
        `close`.
        """
        with self._lock:
            if self._closed:
                return
            wanted = {0: workers.parallelism} | {
                rung.rung: min(rung.workers, workers.parallelism) for rung in workers.rungs
            }
            for rung, count in wanted.items():
                if count > 0:
                    self._have(workers, rung, count)
            spare = [
                job
                for (job_id, rung), job in self._jobs.items()
                if job_id == workers.job_id and (rung not in wanted or workers.parallelism == 0)
            ]
        self._end(spare)

    def stop(self, job_id: UUID) -> None:
        """End the job's workers, within about three seconds, and forget the job."""
        with self._lock:
            jobs = [job for (other_id, _), job in self._jobs.items() if other_id == job_id]
        self._end(jobs)

    def running_jobs(self) -> set[UUID]:
        """The jobs started and not yet stopped, also when all their workers have left."""
        with self._lock:
            return {job_id for job_id, _ in self._jobs}

    def live_workers(self) -> set[tuple[UUID, str]]:
        """The workers whose process has not ended: job and pod name."""
        with self._lock:
            jobs = list(self._jobs.items())
            return {(job_id, pod) for (job_id, _), job in jobs for pod in job.live_pods()}

    def take_deaths(self) -> list[DeadWorker]:
        """The deaths since the last call, also after `close`."""
        with self._lock:
            deaths, self._deaths = self._deaths, []
        return deaths

    def failed_jobs(self) -> dict[UUID, str]:
        """The jobs whose workers can't be kept running; the reason quotes a worker's log."""
        with self._lock:
            jobs = list(self._jobs.items())
        return {job_id: job.failure for (job_id, _), job in jobs if job.failure is not None}

    def waiting_workers(self) -> list[WaitingWorkers]:
        """None: what can't start here fails its job, and the others only wait for a slot."""
        return []

    def read_secret(self, name: str) -> Mapping[str, str]:
        """The keys and values of a secret.

        Raises:
            SecretNotFound: There is no directory `secrets/<name>`.
        """
        return read_secret(self._state / "secrets", name)

    def close(self) -> None:
        """End all workers, within about four seconds, and free the state directory. Idempotent."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            jobs = list(self._jobs.values())
        self._end(jobs)
        os.close(self._claim)

    def _can_have_private_root(self) -> bool:
        reason = why_no_private_root(self._state / "pods")
        if reason is not None:
            _log.warning(
                "no_private_root",
                meaning="/pfs is not private here: programs find their files in $FALCONERI_PFS",
                reason=reason,
            )
        return reason is None

    def _have(self, workers: WorkersSpec, rung: int, count: int) -> None:
        """Have this many workers of a rung, as far as slots are free."""
        job = self._jobs.get((workers.job_id, rung))
        if job is None:
            environment = {**self._settings.worker_environment, "FALCONERI_RUNG": str(rung)}
            settings = replace(self._settings, worker_environment=environment)
            if rung:
                _log.info("local_memory_is_not_limited", job_id=workers.job_id, rung=rung)
            else:
                _say_if_image_is_ignored(workers)
            job = LocalJob(workers, settings, report=self._report, wake=self._wake)
            self._jobs[workers.job_id, rung] = job
        job.workers = workers
        free = self._slots - sum(other.slot_count() for other in self._jobs.values())
        job.grow(min(count, max(1, job.slot_count() + free)))

    def _report(self, death: DeadWorker) -> None:
        with self._lock:
            self._deaths.append(death)

    def _end(self, jobs: Sequence[LocalJob]) -> None:
        """Stop jobs, all at the same time, ever more forcefully; then forget them."""
        steps = (
            (LocalJob.terminate, _GRACE_S),
            (LocalJob.kill, _KILL_S),
            (LocalJob.kill_hard, _KILL_S),
        )
        left = list(jobs)
        for step, patience_s in steps:
            for job in left:
                step(job)
            deadline = time.monotonic() + patience_s
            left = [job for job in left if not job.join(deadline)]
        for job in left:
            _log.warning("job_not_stopped", job_id=job.workers.job_id)
        for job in jobs:
            job.discard_logs()
        with self._lock:
            self._jobs = {key: job for key, job in self._jobs.items() if job not in jobs}


def _claim_pods(pods: Path) -> int:
    """Take the directory for this process, and remove what an earlier one left in it.

    Returns:
        The descriptor that holds the claim.

    Raises:
        Conflict: Another process has it.
    """
    pods.mkdir(mode=0o700, parents=True, exist_ok=True)
    claim = os.open(pods, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as ex:
        os.close(claim)
        raise Conflict("another process runs the local cluster here", detail=str(pods)) from ex
    stale = list(pods.iterdir())
    if stale:
        kill_leftovers(stale)
    for directory in stale:
        delete_tree(directory)
    return claim


def _say_if_image_is_ignored(workers: WorkersSpec) -> None:
    with contextlib.suppress(InvalidSpec):  # which each pod finds out too, and reports
        image = parse_transform(workers).image
        if image_directory(image) is None:
            _log.info("image_not_used_by_local_workers", job_id=workers.job_id, image=image)
