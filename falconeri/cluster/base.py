"""What a cluster is to the rest of Falconeri: something that keeps a job's workers running.

Called by the babysitter, which starts and stops a job's workers and gives back what dead ones held.
A cluster decides nothing about jobs and datums: it reports, and the caller acts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

from falconeri.states import FailureClass


@dataclass(frozen=True)
class RungSpec:
    """Workers with more memory than a job's others, for the datums that ran out of it."""

    rung: int
    """Above 0; told to the workers as `FALCONERI_RUNG`."""
    memory: str
    """How much each gets, as Kubernetes writes it."""
    workers: int
    """How many are needed now; 0: those that there are may stay for a while."""


@dataclass(frozen=True)
class WorkersSpec:
    """The workers that a job wants."""

    job_id: UUID
    job_name: str
    """The beginning of each pod's name: a DNS label."""
    spec: Mapping[str, Any]
    """The job's `pipeline_spec` in its stored form (`falconeri.wire.spec.stored_form`)."""
    parallelism: int
    """How many workers at most, and of each rung; 0 for none."""
    token: str = field(repr=False)
    """The job's worker token."""
    rungs: Sequence[RungSpec] = ()
    """The rungs above the lowest that are needed: workers of all others are ended."""


@dataclass(frozen=True)
class DeadWorker:
    """A worker that ended before its work did: what it held must be given back."""

    job_id: UUID
    pod_name: str
    failure_class: FailureClass
    """`out_of_memory`, `lost_worker`, or `evicted` when the cluster itself ended it."""
    message: str
    """What is known of the cause, in one line without ids."""


@dataclass(frozen=True)
class WaitingWorkers:
    """Workers of a job that don't work yet, and why."""

    job_id: UUID
    reason: str
    """`unschedulable`, `image`, `quota`, `configuration`, `volume` or `start`."""
    message: str
    """One line for people, the same for all of them: without the names of pods."""
    pod_count: int


class Cluster(Protocol):
    """Runs workers. Thread-safe; no call waits for a worker's work."""

    def start(self, workers: WorkersSpec) -> None:
        """Make sure that the job's workers exist. Idempotent: called again and again while it runs.

        Workers of a rung become more as they are needed; which of them could be spared is not
        known here, so that they become fewer all at once, when their rung is not listed any more.
        A spec that cannot be run here is no error of this call: `failed_jobs` tells.
        """
        ...

    def stop(self, job_id: UUID) -> None:
        """End the job's workers and forget the job. Idempotent."""
        ...

    def running_jobs(self) -> set[UUID]:
        """The jobs started and not yet stopped, also when all their workers have left."""
        ...

    def live_workers(self) -> set[tuple[UUID, str]]:
        """The workers that exist now: job and pod name."""
        ...

    def take_deaths(self) -> list[DeadWorker]:
        """The deaths since the last call: each is handed out once."""
        ...

    def failed_jobs(self) -> dict[UUID, str]:
        """The jobs whose workers can't be kept running, with the reason; `stop` clears it."""
        ...

    def waiting_workers(self) -> list[WaitingWorkers]:
        """Why workers don't work yet; those that wait for nothing but their turn are left out."""
        ...

    def read_secret(self, name: str) -> Mapping[str, str]:
        """The keys and values of one of the cluster's secrets.

        Raises:
            SecretNotFound: There is no such secret.
        """
        ...

    def close(self) -> None:
        """Let go of everything; workers that need this process end with it."""
        ...
