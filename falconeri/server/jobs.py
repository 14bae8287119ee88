"""The jobs' endpoints, for the command line and other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import falcon

from falconeri.db import datums as db_datums
from falconeri.db import jobs as db_jobs
from falconeri.errors import BadRequest
from falconeri.server import exchange, submit
from falconeri.states import DatumStatus
from falconeri.wire.records import (
    DatumStatusCount,
    JobAnswer,
    JobDescription,
    JobsAnswer,
    Progress,
)
from falconeri.wire.work import NewJob

if TYPE_CHECKING:
    from falconeri.server.services import Services

LISTED_DATUMS = 1000
"""How many datums a description names at most; a page that a person reads."""


class _JobResource:
    """What all of them have: the services, and the admin's rights."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def _job_id(self, req: falcon.Request, text: str) -> UUID:
        exchange.caller(req).require_admin()
        return exchange.parse_uuid(text, "job_id")

    def _answer_job(self, resp: falcon.Response, job_id: UUID) -> None:
        with self._services.db.connection() as conn:
            job = db_jobs.describe_job(conn, job_id=job_id)
        exchange.answer(resp, JobAnswer(job=job))


class Jobs(_JobResource):
    """`/jobs`: submit one, or find one by name."""

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Create a job of a spec. Not idempotent."""
        exchange.caller(req).require_admin()
        new = exchange.body(req, NewJob, unique_keys=True)
        self._answer_job(resp, submit.submit(self._services, new.job))

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Find the job named by `job_name`."""
        exchange.caller(req).require_admin()
        names = req.get_param_as_list("job_name")
        if not names or len(names) != 1:
            raise BadRequest("the query needs one `job_name`", hint="/jobs/list lists all jobs")
        with self._services.db.connection() as conn:
            job_id = db_jobs.find_job(conn, job_name=names[0])
        self._answer_job(resp, job_id)


class JobList(_JobResource):
    """`/jobs/list`."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """All jobs, newest first."""
        exchange.caller(req).require_admin()
        with self._services.db.connection() as conn:
            exchange.answer(resp, JobsAnswer(jobs=db_jobs.list_jobs(conn)))


class Job(_JobResource):
    """`/jobs/{job_id}`."""

    def on_get(self, req: falcon.Request, resp: falcon.Response, job_id: str) -> None:
        """The job; its own workers may ask, too, as the original's do in each turn."""
        key = exchange.parse_uuid(job_id, "job_id")
        exchange.caller(req).require_job(key)
        self._answer_job(resp, key)


class JobDescribe(_JobResource):
    """`/jobs/{job_id}/describe`."""

    def on_get(self, req: falcon.Request, resp: falcon.Response, job_id: str) -> None:
        """The job, its counts, what runs and what failed."""
        key = self._job_id(req, job_id)
        with self._services.db.connection() as conn:
            description = JobDescription(
                job=db_jobs.describe_job(conn, job_id=key),
                datum_status_counts=_counts(db_jobs.job_progress(conn, job_id=key)),
                running_datums=db_datums.list_running_datums(conn, job_id=key, limit=LISTED_DATUMS),
                error_datums=db_datums.list_failed_datums(conn, job_id=key, limit=LISTED_DATUMS),
            )
        exchange.answer(resp, description)


class JobProgress(_JobResource):
    """`/jobs/{job_id}/progress`."""

    def on_get(self, req: falcon.Request, resp: falcon.Response, job_id: str) -> None:
        """The counts; cheap enough to be asked each second."""
        key = self._job_id(req, job_id)
        with self._services.db.connection() as conn:
            exchange.answer(resp, db_jobs.job_progress(conn, job_id=key))


class JobRetry(_JobResource):
    """`/jobs/{job_id}/retry`."""

    def on_post(self, req: falcon.Request, resp: falcon.Response, job_id: str) -> None:
        """A new job of what this one did not finish; the body is not read. Not idempotent."""
        key = self._job_id(req, job_id)
        with self._services.db.connection() as conn:
            new_id = db_jobs.retry_job(conn, job_id=key)
        self._answer_job(resp, new_id)


class JobCancel(_JobResource):
    """`/jobs/{job_id}/cancel`."""

    def on_post(self, req: falcon.Request, resp: falcon.Response, job_id: str) -> None:
        """End the job; a repeat is fine."""
        key = self._job_id(req, job_id)
        with self._services.db.connection() as conn:
            db_jobs.cancel_job(conn, job_id=key)
        self._answer_job(resp, key)


def _counts(progress: Progress) -> list[DatumStatusCount]:
    """Those above zero. None will run again as an error: what is retried is ready at once."""
    counts = {status: getattr(progress, status.value) for status in DatumStatus}
    return [
        DatumStatusCount(status=status, count=count, rerunable_count=0)
        for status, count in counts.items()
        if count
    ]
