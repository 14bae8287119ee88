"""What the babysitter does each time: compares the database's belief with the cluster's truth.

Every finding is one call of a SQL function that does nothing the second time, so any number of
babysitters may look at once. One bad object never stops a pass: it is logged, and found again by
the next. Called by `tasks`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from falconeri.babysitter.pulse import Pulse
from falconeri.cluster.base import Cluster, DeadWorker, RungSpec, WorkersSpec
from falconeri.db import controls as db_controls
from falconeri.db import datums as db_datums
from falconeri.db import jobs as db_jobs
from falconeri.db import outputs as db_outputs
from falconeri.db import rungs as db_rungs
from falconeri.db import waits as db_waits
from falconeri.db import workers as db_workers
from falconeri.db.pool import Database
from falconeri.errors import FalconeriError
from falconeri.log import get_logger
from falconeri.pipeline.credentials import job_credentials
from falconeri.states import FailureClass
from falconeri.storage import Credentials, open_storage
from falconeri.tokens import make_token
from falconeri.wire.codec import convert
from falconeri.wire.spec import Secret

log = get_logger(__name__)

GRACE_S = 10.0
"""How long a claim may be younger than our view of the cluster's workers."""

BATCH = 100

DELETE_BATCH = 10_000
"""Datums of a job to delete in one transaction."""


@dataclass
class Babysitter:
    """The passes, and what they need."""

    db: Database
    cluster: Cluster
    password: str = field(repr=False)
    retention_s: int | None = None
    """How long ended jobs are kept; None: for ever."""
    stopping: threading.Event = field(default_factory=threading.Event)
    """Set when a pass that may take long is to leave the rest to the next."""
    pulse: Pulse = field(default_factory=Pulse)
    began: float = field(default_factory=time.monotonic)

    def start_workers(self, job_id: UUID) -> None:
        """Start a job's workers if it still runs; a repeat is fine."""
        jobs = [job for job in self._running_jobs() if job.job_id == job_id]
        rungs = self._rungs() if jobs else {}
        for job in jobs:
            self.cluster.start(self._workers_of(job, rungs))

    def stop_workers(self, job_id: UUID) -> None:
        """Stop a job's workers; a repeat is fine."""
        self.cluster.stop(job_id)
        self.bury_dead()

    def bury_dead(self) -> None:
        """Give back at once what workers held whose end the cluster saw."""
        deaths = self.cluster.take_deaths()
        while deaths:
            dead = deaths.pop()
            with _isolated("bury_dead", job_id=dead.job_id, pod_name=dead.pod_name):
                self._requeue(dead)
        for job_id, reason in self.cluster.failed_jobs().items():
            with _isolated("fail_job", job_id=job_id):
                self._fail_job(job_id, reason)

    def look_around(self) -> None:
        """Everything once: what nobody told us about is found here."""
        self.bury_dead()
        with _isolated("requeue_orphans"):
            self._requeue_orphans()
        with _isolated("requeue_expired"), self.db.connection() as conn:
            while db_workers.requeue_expired(conn, limit=BATCH).looked == BATCH:
                pass
        with _isolated("promote_delayed"), self.db.connection() as conn:
            while db_datums.promote_delayed(conn, limit=BATCH) == BATCH:
                pass
        self._stop_overdue()
        self._note_waits()
        with _isolated("match_workers_with_jobs"):
            self._match_workers_with_jobs()

    def delete_leftovers(self) -> None:
        """Delete the objects that failed attempts left in their stores."""
        with self.db.connection() as conn:
            deletions = db_outputs.take_deletions(conn, limit=BATCH)
        for deletion in deletions:
            settle = db_outputs.release_deletion
            with _isolated("delete_leftover", uri=deletion.uri):
                open_storage(deletion.uri, self._credentials(deletion)).delete(deletion.uri)
                settle = db_outputs.settle_deletion
            with _isolated("settle_deletion", uri=deletion.uri), self.db.connection() as conn:
                settle(conn, job_id=deletion.job_id, uri=deletion.uri)

    def delete_old_jobs(self) -> None:
        """Delete jobs that ended long ago, and what is left of those whose deletion was begun."""
        batches = 0
        with self.db.connection() as conn:
            while not self.stopping.is_set() and db_controls.delete_old_jobs(
                conn, older_than_s=self.retention_s, limit=DELETE_BATCH
            ):
                batches += 1
        if batches:
            log.info("old_jobs_deleted", batches=batches)

    def sample_progress(self) -> None:
        """Note how far the running jobs are, for `report.jobs`."""
        with self.db.connection() as conn:
            db_jobs.sample_progress(conn)

    def _requeue(self, dead: DeadWorker) -> None:
        with self.db.connection() as conn:
            count = db_workers.requeue_lost(
                conn,
                job_id=dead.job_id,
                pod_name=dead.pod_name,
                failure_class=dead.failure_class,
                message=dead.message,
            )
        log.info(
            "worker_died",
            job_id=dead.job_id,
            pod_name=dead.pod_name,
            failure_class=dead.failure_class,
            message=dead.message,
            requeued=count,
        )

    def _requeue_orphans(self) -> None:
        """Give back what pods hold that don't exist: their end was never reported to us."""
        with self.db.connection() as conn:
            holders = db_workers.list_holders(conn)
        alive = self.cluster.live_workers()
        # What was held before we began can't be news that our view of the cluster lacks.
        grace_s = min(GRACE_S, time.monotonic() - self.began)
        for holder in holders:
            if (holder.job_id, holder.pod_name) not in alive and holder.held_s > grace_s:
                with _isolated("requeue_orphan", pod_name=holder.pod_name):
                    self._requeue(
                        DeadWorker(
                            holder.job_id,
                            holder.pod_name,
                            FailureClass.LOST_WORKER,
                            "the worker's pod no longer exists",
                        )
                    )

    def _stop_overdue(self) -> None:
        with self.db.connection() as conn:
            overdue = db_jobs.list_overdue_jobs(conn)
        for job in overdue:
            with _isolated("stop_overdue", job_id=job.job_id):
                self._fail_job(job.job_id, f"the job's job_timeout of {job.timeout_s} s is over")

    def _note_waits(self) -> None:
        with _isolated("note_waits"):
            waits = [
                db_waits.JobWait(each.job_id, each.reason, each.message, each.pod_count)
                for each in self.cluster.waiting_workers()
            ]
            with self.db.connection() as conn:
                db_waits.note_waits(conn, waits=waits)

    def _fail_job(self, job_id: UUID, reason: str) -> None:
        with self.db.connection() as conn:
            if db_jobs.fail_vanished_job(conn, job_id=job_id, reason=reason):
                log.warning("job_failed", job_id=job_id, reason=reason)

    def _match_workers_with_jobs(self) -> None:
        """Start what should run, stop what shouldn't: after a restart of ours, or a lost task."""
        running = self._running_jobs()
        rungs = self._rungs()
        for job in running:
            with _isolated("start_workers", job_id=job.job_id):
                self.cluster.start(self._workers_of(job, rungs))
        for job_id in self.cluster.running_jobs() - {job.job_id for job in running}:
            with _isolated("stop_workers", job_id=job_id):
                self.stop_workers(job_id)

    def _running_jobs(self) -> list[db_jobs.RunningJob]:
        with self.db.connection() as conn:
            return db_jobs.list_running_jobs(conn)

    def _rungs(self) -> dict[UUID, list[RungSpec]]:
        """The workers with more memory that are needed now, by job."""
        found: dict[UUID, list[RungSpec]] = {}
        with self.db.connection() as conn:
            for sized in db_rungs.size_rungs(conn):
                rung = RungSpec(sized.rung, sized.memory, sized.workers)
                found.setdefault(sized.job_id, []).append(rung)
        return found

    def _workers_of(
        self, job: db_jobs.RunningJob, rungs: Mapping[UUID, Sequence[RungSpec]]
    ) -> WorkersSpec:
        return WorkersSpec(
            job_id=job.job_id,
            job_name=job.job_name,
            spec=job.pipeline_spec,
            parallelism=job.parallelism,
            token=make_token(self.password, job.job_id),
            rungs=rungs.get(job.job_id, ()),
        )

    def _credentials(self, deletion: db_outputs.Deletion) -> Credentials:
        secrets = convert(deletion.pipeline_spec["transform"]["secrets"], list[Secret])
        return job_credentials(secrets, deletion.uri, self.cluster.read_secret)


@contextmanager
def _isolated(step: str, **fields: object) -> Generator[None]:
    """Log what goes wrong with one object, and go on with the next."""
    try:
        yield
    except FalconeriError as ex:
        log.warning("babysitter_step_failed", step=step, error=str(ex), **fields)
    except Exception:
        log.exception("babysitter_step_failed", step=step, **fields)
