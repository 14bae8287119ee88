"""The background tasks, for procrastinate.

SQL functions defer `start_workers` and `stop_workers` by these names, in the transaction of the
rows that they serve; the others are periodic. Called by `run`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import procrastinate
from procrastinate import PsycopgConnector

from falconeri.babysitter.revival import Endings, forget, revive
from falconeri.db.pool import CONNECTION_SETTINGS, POOL_SETTINGS

if TYPE_CHECKING:
    from falconeri.babysitter.passes import Babysitter

QUEUE = "falconeri"
"""As `sql/functions/private/_defer_task.sql` writes it."""

# procrastinate's own SQL names its tables without a schema.
_SETTINGS: dict[str, Any] = {
    **CONNECTION_SETTINGS,
    "options": "-c timezone=UTC -c search_path=procrastinate",
    "application_name": "falconerid tasks",
}


def make_tasks(database_url: str, babysitter: Babysitter) -> procrastinate.App:
    """The application with all tasks, to be opened and run."""
    connector = PsycopgConnector(
        conninfo=database_url, min_size=1, max_size=4, kwargs=_SETTINGS, **POOL_SETTINGS
    )
    endings = Endings(connector)
    app = procrastinate.App(
        connector=connector, worker_defaults={"worker_middleware": [endings.meet]}
    )
    app.job_manager = endings
    retry = procrastinate.RetryStrategy(max_attempts=10, exponential_wait=2)

    @app.task(name="start_workers", queue=QUEUE, retry=retry)
    def start_workers(job_id: str) -> None:
        babysitter.start_workers(UUID(job_id))

    @app.task(name="stop_workers", queue=QUEUE, retry=retry)
    def stop_workers(job_id: str) -> None:
        babysitter.stop_workers(UUID(job_id))

    # A queueing lock: at most one of each waits, however long the one before takes.
    @app.periodic(cron="* * * * * */5")
    @app.task(name="look_around", queue=QUEUE, queueing_lock="look_around", lock="look_around")
    def look_around(timestamp: int) -> None:
        del timestamp
        with babysitter.pulse.passing():
            babysitter.look_around()

    @app.periodic(cron="* * * * * */15")
    @app.task(name="delete_leftovers", queue=QUEUE, queueing_lock="delete_leftovers")
    def delete_leftovers(timestamp: int) -> None:
        del timestamp
        babysitter.delete_leftovers()

    @app.periodic(cron="* * * * * */15")
    @app.task(name="delete_old_jobs", queue=QUEUE, queueing_lock="delete_old_jobs")
    def delete_old_jobs(timestamp: int) -> None:
        del timestamp
        babysitter.delete_old_jobs()

    # As often as `_sample_slot` counts.
    @app.periodic(cron="* * * * * */15")
    @app.task(name="sample_progress", queue=QUEUE, queueing_lock="sample_progress")
    def sample_progress(timestamp: int) -> None:
        del timestamp
        babysitter.sample_progress()

    @app.periodic(cron="* * * * *")
    @app.task(name="revive_tasks", queue=QUEUE, queueing_lock="revive_tasks")
    async def revive_tasks(timestamp: int) -> None:
        del timestamp
        await revive(app)

    @app.periodic(cron="0 * * * *")
    @app.task(name="forget_tasks", queue=QUEUE, queueing_lock="forget_tasks")
    async def forget_tasks(timestamp: int) -> None:
        del timestamp
        await forget(app)

    del start_workers, stop_workers, look_around, revive_tasks, forget_tasks
    del delete_leftovers, delete_old_jobs, sample_progress
    return app
