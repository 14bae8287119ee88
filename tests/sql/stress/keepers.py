"""Who is at work in the stress run beside its workers: babysitters and operators."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

import psycopg

from falconeri.db import controls, datums, jobs, outputs, workers
from falconeri.errors import JobNotFound, JobNotRetryable, JobNotRunning, JobRunning
from falconeri.states import FailureClass
from tests.sql.factories import set_now
from tests.sql.stress.board import Board
from tests.sql.stress.session import Session
from tests.sql.stress.tally import Tally

ALL_DELAYS_S = 4 * 3600
REASON = "the workers are gone"

T = TypeVar("T")


class Babysitter:
    """Gives back what dead and silent pods hold, and what has waited: then its clock is fast."""

    def __init__(self, session: Session, board: Board, tally: Tally, seed: str) -> None:
        self._session, self._board, self._tally = session, board, tally
        self._rng = random.Random(seed)  # noqa: S311 - repeatable

    def __call__(self) -> None:
        while self._board.goes_on_after(self._rng.randint(10, 60)):
            self._tend(self._rng.choice((1, 5, 1000)))
            quiet = self._board.quiet
            if self._board.draining:  # a job that nobody knows: who made it was killed
                running = self._session.insist(jobs.list_running_jobs)
                self._board.add(job.job_id for job in running)
                if quiet and not running:
                    self._board.call_off()

    def _tend(self, limit: int) -> None:
        self._bury_the_dead()
        self._session.insist(lambda conn: workers.requeue_expired(conn, limit=limit))
        self._later(ALL_DELAYS_S, lambda conn: datums.promote_delayed(conn, limit=limit))
        self._unlink(limit)

    def _later(self, in_s: float, call: Callable[[psycopg.Connection], T]) -> T:
        """Make a call at a later time."""

        def then(conn: psycopg.Connection) -> T:
            set_now(conn, in_s=in_s)
            result = call(conn)
            conn.execute("reset falconeri.now")
            return result

        return self._session.insist(then)

    def _bury_the_dead(self) -> None:
        while (dead := self._board.exhume()) is not None:
            self._lose(*dead)
        if self._rng.random() < 0.2:  # one that is not dead at all
            holders = self._session.insist(workers.list_holders)
            if holders:
                holder = self._rng.choice(holders)
                self._lose(holder.job_id, holder.pod_name)

    def _lose(self, job_id: UUID, pod_name: str) -> None:
        cause = self._rng.choice((FailureClass.LOST_WORKER, FailureClass.EVICTED))
        _unless_refused(
            self._session,
            lambda conn: workers.requeue_lost(
                conn, job_id=job_id, pod_name=pod_name, failure_class=cause, message="gone"
            ),
        )

    def _unlink(self, limit: int) -> None:
        """Delete what failed attempts have left, or fail to."""
        for due in self._later(
            ALL_DELAYS_S, lambda conn: outputs.take_deletions(conn, limit=limit)
        ):
            settle = self._rng.choice((outputs.settle_deletion, outputs.release_deletion))
            if settle is outputs.settle_deletion:
                self._tally.unlinked.add(due.uri)
            self._session.insist(
                lambda conn, due=due, settle=settle: settle(conn, job_id=due.job_id, uri=due.uri)
            )


class Operator:
    """Cancels, pauses, resumes, scales, retries and deletes jobs, as long as there are new ones."""

    def __init__(self, session: Session, board: Board, tally: Tally, seed: str) -> None:
        self._session, self._board, self._tally = session, board, tally
        self._rng = random.Random(seed)  # noqa: S311 - repeatable
        self._paused: set[UUID] = set()

    def __call__(self) -> None:
        deeds = (
            *(self._pause, self._pause, self._scale, self._scale),
            *(self._cancel, self._cancel, self._fail, self._retry, self._delete),
        )
        while self._board.goes_on_after(self._rng.randint(20, 100)):
            if self._board.draining:
                break
            self._rng.choice(deeds)()
            for job_id in [*self._paused]:
                if self._rng.random() < 0.2:
                    self._resume(job_id)
        for job_id in [*self._paused]:
            self._resume(job_id)
        self._board.retire()

    def _do(self, call: Callable[[psycopg.Connection, UUID], object]) -> UUID | None:
        """Do something to a job in play; return it unless that was refused."""
        job_id = self._board.choose_running(self._rng)
        if job_id is None:
            return None

        def act(conn: psycopg.Connection) -> UUID:
            call(conn, job_id)
            return job_id

        return _unless_refused(self._session, act)

    def _cancel(self) -> None:
        done = self._do(lambda conn, job_id: jobs.cancel_job(conn, job_id=job_id))
        if done is not None:
            self._tally.canceled.add(done)

    def _fail(self) -> None:
        done = self._do(
            lambda conn, job_id: jobs.fail_vanished_job(conn, job_id=job_id, reason=REASON)
        )
        if done is not None:
            self._tally.vanished.add(done)

    def _pause(self) -> None:
        done = self._do(lambda conn, job_id: controls.pause_job(conn, job_id=job_id))
        if done is not None:
            self._paused.add(done)

    def _resume(self, job_id: UUID) -> None:
        _unless_refused(self._session, lambda conn: controls.resume_job(conn, job_id=job_id))
        self._paused.discard(job_id)

    def _scale(self) -> None:
        self._do(lambda conn, job_id: controls.scale_job(conn, job_id=job_id, parallelism=2))

    def _retry(self) -> None:
        """Maybe twice: a babysitter finds the jobs."""
        job_id = self._board.choose_ended(self._rng)
        if job_id is not None:
            _unless_refused(self._session, lambda conn: jobs.retry_job(conn, job_id=job_id))

    def _delete(self) -> None:
        job_id = self._board.choose_ended(self._rng)
        if job_id is None:
            return
        self._tally.deleted.add(job_id)
        while _unless_refused(
            self._session, lambda conn: controls.delete_job(conn, job_id=job_id, limit=2)
        ):
            continue


def _unless_refused(session: Session, call: Callable[[psycopg.Connection], T]) -> T | None:
    """Make a call that comes too late if its job has ended, or is gone."""
    try:
        return session.insist(call)
    except (JobNotFound, JobNotRunning, JobNotRetryable, JobRunning):
        return None
