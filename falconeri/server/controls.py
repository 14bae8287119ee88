"""What operators do with a job: retry, cancel, pause, resume, scale."""

from __future__ import annotations

from functools import partial

import falcon

from falconeri.db import controls as db_controls
from falconeri.db import jobs as db_jobs
from falconeri.errors import JobNotFound, JobNotRetryable, JobNotRunning, RequestKeyReused
from falconeri.server import exchange
from falconeri.server.jobs import JobResource
from falconeri.server.operation import Access, operation
from falconeri.server.requests import IDEMPOTENCY_KEY, request_of
from falconeri.wire.controls import Parallelism, RetryOptions
from falconeri.wire.records import JobAnswer


class JobRetry(JobResource):
    """`/jobs/{job_id}/retry`."""

    @operation(
        Access.OPERATE,
        JobNotFound,
        JobNotRetryable,
        RequestKeyReused,
        body=RetryOptions,
        optional_body=True,
        answers=JobAnswer,
        headers=(IDEMPOTENCY_KEY,),
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response, job_id: str) -> None:
        """A new job of what an ended one did not finish; one for each `Idempotency-Key`."""
        key = exchange.parse_uuid(job_id, "job_id")
        options = exchange.optional_body(req, RetryOptions) or RetryOptions()
        request = request_of(req, options)
        with self._services.submissions.slot(), self._services.db.transaction() as conn:
            make = partial(
                db_jobs.retry_job,
                conn,
                job_id=key,
                matching=options.matching,
                parallelism=options.parallelism,
                max_tries=options.datum_tries,
            )
            new_id = make() if request is None else request.answer(conn, make)
        self._answer_job(resp, new_id)


class JobCancel(JobResource):
    """`/jobs/{job_id}/cancel`."""

    @operation(Access.OPERATE, JobNotFound, JobNotRunning, answers=JobAnswer)
    def on_post(self, req: falcon.Request, resp: falcon.Response, job_id: str) -> None:
        """End a job: what has not ended is canceled. A repeat is fine."""
        del req
        key = exchange.parse_uuid(job_id, "job_id")
        with self._services.db.connection() as conn:
            db_jobs.cancel_job(conn, job_id=key)
        self._answer_job(resp, key)


class JobPause(JobResource):
    """`/jobs/{job_id}/pause`."""

    @operation(Access.OPERATE, JobNotFound, JobNotRunning, answers=JobAnswer)
    def on_post(self, req: falcon.Request, resp: falcon.Response, job_id: str) -> None:
        """Hand out nothing more of a job for now; what runs goes on, then its workers end.

        A repeat is fine.
        """
        del req
        key = exchange.parse_uuid(job_id, "job_id")
        with self._services.db.connection() as conn:
            db_controls.pause_job(conn, job_id=key)
        self._answer_job(resp, key)


class JobResume(JobResource):
    """`/jobs/{job_id}/resume`."""

    @operation(Access.OPERATE, JobNotFound, JobNotRunning, answers=JobAnswer)
    def on_post(self, req: falcon.Request, resp: falcon.Response, job_id: str) -> None:
        """Let a paused job go on. A repeat is fine."""
        del req
        key = exchange.parse_uuid(job_id, "job_id")
        with self._services.db.connection() as conn:
            db_controls.resume_job(conn, job_id=key)
        self._answer_job(resp, key)


class JobParallelism(JobResource):
    """`/jobs/{job_id}/parallelism`."""

    @operation(Access.OPERATE, JobNotFound, JobNotRunning, body=Parallelism, answers=JobAnswer)
    def on_put(self, req: falcon.Request, resp: falcon.Response, job_id: str) -> None:
        """Change how many workers a running job should have. A repeat is fine."""
        key = exchange.parse_uuid(job_id, "job_id")
        wish = exchange.body(req, Parallelism)
        with self._services.db.connection() as conn:
            db_controls.scale_job(conn, job_id=key, parallelism=wish.parallelism)
        self._answer_job(resp, key)
