"""What becomes of tasks that a killed or cut-off process has left, or that have failed.

Called by `tasks` and `run`.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager
from psycopg.errors import RaiseException

from falconeri.log import get_logger

if TYPE_CHECKING:
    import procrastinate
    from procrastinate.job_context import JobContext
    from procrastinate.middleware import AsyncCallNext
    from procrastinate.worker import Worker

log = get_logger(__name__)

KEPT_H = 168
"""How long operators can look at a task that failed, in procrastinate's tables."""


async def revive(app: procrastinate.App) -> None:
    """Run again what a killed or cut-off process has left `doing`.

    Its lock blocks the tasks behind it. Of a periodic one the next will do: it may wait already,
    and two must not wait.
    """
    for job in await app.job_manager.get_stalled_jobs():
        log.warning("task_was_cut_off", task=job.task_name)
        try:
            if job.queueing_lock:
                await app.job_manager.finish_job(job, Status.ABORTED, delete_job=True)
            else:
                await app.job_manager.retry_job(job)
        except ConnectorException as ex:
            if not _is_gone(ex):
                raise
            # Another replica was faster.


async def forget(app: procrastinate.App) -> None:
    """Drop the tasks that failed long ago."""
    await app.job_manager.delete_old_jobs(
        KEPT_H, include_failed=True, include_cancelled=True, include_aborted=True
    )


class Endings(JobManager):
    """Writes down how tasks ended; if it can't, their worker stops, and the next one revives them.

    Else procrastinate goes on, and such a task stays `doing` under a worker that lives, which
    nobody revives.
    """

    _worker: Worker | None = None

    async def meet(self, call_next: AsyncCallNext, context: JobContext, worker: Worker) -> object:
        """A middleware that makes the worker known."""
        del context
        self._worker = worker
        return await call_next()

    async def finish_job(self, job: Job, status: Status, delete_job: bool) -> None:  # noqa: FBT001 - procrastinate's
        """As procrastinate's."""
        with self._stopping_if_lost():
            await super().finish_job(job, status, delete_job)

    async def retry_job(self, job: Job, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - procrastinate's
        """As procrastinate's."""
        with self._stopping_if_lost():
            await super().retry_job(job, *args, **kwargs)

    @contextmanager
    def _stopping_if_lost(self) -> Generator[None]:
        try:
            yield
        except ConnectorException as ex:
            if self._worker and not _is_gone(ex):
                self._worker.stop()
            raise


def _is_gone(ex: ConnectorException) -> bool:
    """Whether the task is no longer there, or no longer `doing`."""
    return isinstance(ex.__cause__, RaiseException)
