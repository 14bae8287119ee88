"""The jobs' endpoints, for the command line and other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import falcon

from falconeri.db import controls as db_controls
from falconeri.db import datums as db_datums
from falconeri.db import jobs as db_jobs
from falconeri.db import rungs as db_rungs
from falconeri.db import waits as db_waits
from falconeri.errors import (
    BadRequest,
    InvalidSpec,
    JobNotFound,
    JobRunning,
    ObjectNotFound,
    RequestKeyReused,
    SecretNotFound,
    StorageDenied,
    TooManyDatums,
)
from falconeri.server import exchange, submit
from falconeri.server.operation import Access, Query, operation
from falconeri.server.rehearse import rehearse
from falconeri.server.requests import IDEMPOTENCY_KEY, request_of
from falconeri.states import DatumStatus, JobStatus
from falconeri.wire.plan import PlanAnswer
from falconeri.wire.records import (
    DatumStatusCount,
    JobAnswer,
    JobDescription,
    JobsAnswer,
    JobsPage,
    Progress,
)
from falconeri.wire.work import NewJob

if TYPE_CHECKING:
    from falconeri.server.services import Services

LISTED_DATUMS = 1000
"""How many datums a description names at most; a page that a person reads."""


DELETED_AT_ONCE = 1000
"""How many datums of a job go within the request that deletes it; the babysitter takes the rest."""


class JobResource:
    """What all of them have: the services, and how to answer a job."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def _answer_job(self, resp: falcon.Response, job_id: UUID) -> None:
        with self._services.db.connection() as conn:
            job = db_jobs.describe_job(conn, job_id=job_id)
        exchange.answer(resp, JobAnswer(job=job))


class Jobs(JobResource):
    """`/jobs`: submit one, find one by name, or look through all."""

    @operation(
        Access.OPERATE,
        InvalidSpec,
        ObjectNotFound,
        StorageDenied,
        SecretNotFound,
        RequestKeyReused,
        TooManyDatums,
        body=NewJob,
        answers=JobAnswer | PlanAnswer,
        query=(Query("plan", bool, "Make no job, say what it would be: the answer is a plan."),),
        headers=(IDEMPOTENCY_KEY,),
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Create a job of a pipeline spec; with an `Idempotency-Key`, once for each key.

        Or, with `plan=1`, only say what would be run. What would be refused is refused.
        """
        plan_only = req.get_param_as_bool("plan", default=False)
        new = exchange.body(req, NewJob, unique_keys=True)
        if plan_only:
            exchange.answer(resp, PlanAnswer(rehearse(self._services, new.job)))
            return
        self._answer_job(resp, submit.submit(self._services, new.job, request_of(req, new)))

    @operation(
        Access.READ,
        JobNotFound,
        answers=JobAnswer | JobsPage,
        query=(
            Query(
                "job_name", str, "The one job of exactly this name; the others don't count then."
            ),
            Query("status", JobStatus, "Only jobs with this status."),
            Query("name", str, "Only jobs whose name begins so."),
            exchange.LIMIT,
            Query("after", UUID, "The `after` of the page before."),
        ),
        reads_lists=True,
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Find the job named by `job_name`, or list a page of jobs, newest first."""
        if req.has_param("job_name"):
            self._answer_named(req, resp)
            return
        limit = exchange.limit(req)
        with self._services.db.reading() as conn:
            page = db_jobs.list_jobs(
                conn,
                status=exchange.choice(req, "status", JobStatus),
                name=req.get_param("name"),
                after=exchange.uuid_param(req, "after"),
                limit=limit,
            )
        full = len(page.jobs) == limit
        exchange.answer(resp, JobsPage(page.jobs, after=page.after if full else None))

    def _answer_named(self, req: falcon.Request, resp: falcon.Response) -> None:
        names = req.get_param_as_list("job_name") or []
        if len(names) != 1:
            raise BadRequest("`job_name` is given more than once")
        with self._services.db.connection() as conn:
            job_id = db_jobs.find_job(conn, job_name=names[0])
        self._answer_job(resp, job_id)


class JobList(JobResource):
    """`/jobs/list`."""

    @operation(Access.READ, answers=JobsAnswer, reads_lists=True)
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """All jobs, newest first. `/jobs` lists them by the page."""
        del req
        with self._services.db.reading() as conn:
            page = db_jobs.list_jobs(conn)
        exchange.answer(resp, JobsAnswer(jobs=page.jobs))


class Job(JobResource):
    """`/jobs/{job_id}`."""

    @operation(Access.JOB, JobNotFound, answers=JobAnswer)
    def on_get(self, req: falcon.Request, resp: falcon.Response, job_id: str) -> None:
        """The job. Its own workers may ask, too, as the original's do in each turn."""
        del req
        self._answer_job(resp, exchange.parse_uuid(job_id, "job_id"))

    @operation(Access.OPERATE, JobNotFound, JobRunning)
    def on_delete(self, req: falcon.Request, resp: falcon.Response, job_id: str) -> None:
        """Delete an ended job and all that is known of it; its results in the stores stay."""
        del req
        key = exchange.parse_uuid(job_id, "job_id")
        with self._services.db.connection() as conn:
            db_controls.delete_job(conn, job_id=key, limit=DELETED_AT_ONCE)
        resp.status = falcon.HTTP_204


class JobDescribe(JobResource):
    """`/jobs/{job_id}/describe`."""

    @operation(Access.READ, JobNotFound, answers=JobDescription, reads_lists=True)
    def on_get(self, req: falcon.Request, resp: falcon.Response, job_id: str) -> None:
        """The job, its counts, what runs and what failed; why workers don't work yet."""
        del req
        key = exchange.parse_uuid(job_id, "job_id")
        with self._services.db.reading() as conn:
            description = JobDescription(
                job=db_jobs.describe_job(conn, job_id=key),
                datum_status_counts=_counts(db_jobs.job_progress(conn, job_id=key)),
                running_datums=db_datums.list_running_datums(conn, job_id=key, limit=LISTED_DATUMS),
                error_datums=db_datums.list_failed_datums(conn, job_id=key, limit=LISTED_DATUMS),
                waits=db_waits.list_waits(conn, job_id=key),
                rungs=db_rungs.list_rungs(conn, job_id=key),
            )
        exchange.answer(resp, description)


class JobProgress(JobResource):
    """`/jobs/{job_id}/progress`."""

    @operation(Access.READ, JobNotFound, answers=Progress)
    def on_get(self, req: falcon.Request, resp: falcon.Response, job_id: str) -> None:
        """The counts of a job's datums; cheap enough to be asked each second."""
        del req
        key = exchange.parse_uuid(job_id, "job_id")
        with self._services.db.connection() as conn:
            exchange.answer(resp, db_jobs.job_progress(conn, job_id=key))


def _counts(progress: Progress) -> list[DatumStatusCount]:
    """Those above zero. None will run again as an error: what is retried is ready at once."""
    counts = {status: getattr(progress, status.value) for status in DatumStatus}
    return [
        DatumStatusCount(status=status, count=count, rerunable_count=0)
        for status, count in counts.items()
        if count
    ]
