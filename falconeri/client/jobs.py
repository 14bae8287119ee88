"""What people and their programs ask of falconerid.

Called by the CLI; a method is a row of the REST API. Those that go through long lists are in
`falconeri.client.listings`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from falconeri.client.events import Watching
from falconeri.client.listings import Listings
from falconeri.client.retry import BRIEF, ONCE, ROLLOUT, SUBMISSION
from falconeri.client.transport import HOLD_MARGIN_S, Transport, waiting_url
from falconeri.errors import FalconeriError, Unavailable
from falconeri.wire import features
from falconeri.wire.controls import Parallelism, RetryOptions
from falconeri.wire.events import JobEvent
from falconeri.wire.plan import JobPlan, PlanAnswer
from falconeri.wire.records import (
    DatumDescription,
    Health,
    Job,
    JobAnswer,
    JobDescription,
    JobsAnswer,
    Progress,
    WaitAnswer,
)
from falconeri.wire.spec import PipelineSpec
from falconeri.wire.work import NewJob

_CREATE_TIMEOUT_S = 900.0
"""falconerid lists the bucket and writes all datums before it answers."""

_PERHAPS_MADE = "the job may have been created all the same: look at the list before trying again"
_PERHAPS_DELETED = "the job may have been deleted all the same: if so, it is not found any more"


class JobsClient(Listings):
    """Typed calls about jobs; every one raises what `Transport.fetch` raises.

    Args:
        rest: To falconerid's REST port.
        waiting: To its waiting port.
    """

    def __init__(self, rest: Transport, waiting: Transport) -> None:
        super().__init__(rest)
        self._waiting = waiting
        self._once = rest.but(timeout_s=_CREATE_TIMEOUT_S, retries=ONCE)
        self._patient = rest.but(timeout_s=_CREATE_TIMEOUT_S, retries=SUBMISSION)
        self._features: frozenset[str] | None = None
        """What this falconerid understands; None: not asked yet."""

    @classmethod
    def connect(cls, url: str, password: str, *, wait_url: str | None = None) -> JobsClient:
        """Make a client for a person who waits: it gives up after some seconds.

        Args:
            url: The REST port's.
            password: Of the user `falconeri`.
            wait_url: The waiting port's; by default that is the next port.

        Raises:
            InvalidArgument: Not an HTTP URL.
        """
        rest = Transport(url, password, timeout_s=30.0, retries=BRIEF)
        return cls(rest, rest.but(url=wait_url or waiting_url(url)))

    def version(self) -> str:
        """Return falconerid's version."""
        return self._rest.fetch_text("version")

    def health(self) -> Health:
        """Ask whether falconerid answers requests."""
        return self._rest.fetch("GET", "healthz", Health)

    def readiness(self) -> Health:
        """Ask whether falconerid can serve requests.

        Raises:
            Unavailable: HTTP 503: its database is away, or has another schema; it was asked again
                for a while.
        """
        return self._rest.fetch("GET", "readyz", Health)

    def metrics(self) -> str:
        """Return falconerid's metrics, in the text format of Prometheus."""
        return self._rest.fetch_text("metrics")

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document of falconerid's API."""
        return self._rest.fetch("GET", "api-docs/openapi.json", dict[str, Any])

    def create_job(self, spec: PipelineSpec, *, key: str | None = None) -> Job:
        """Create a job.

        Tried again if falconerid can't be reached or its answer is lost, and still one job: but not
        with the original's falconerid, where each try could make one more.

        Args:
            spec: Of the job.
            key: Whoever sends the same one again, for the same spec, gets the same job, also from
                another process; at most 255 characters. None: one for this call.

        Raises:
            RequestKeyReused: The key was used for another spec.
            Unavailable: No answer; `hint` tells how to see whether there is a job nevertheless.
        """
        return self._make_job("jobs", NewJob(job=spec), key)

    def plan_job(self, spec: PipelineSpec) -> JobPlan:
        """Return what would be run, having made nothing; raises what `create_job` would.

        Raises:
            FalconeriError: This falconerid would make a job of it: it is the original's.
        """
        if not self._understands(features.PLAN):
            raise FalconeriError("this falconerid can't plan a job", detail=self._rest.url)
        query = {"plan": "1"}
        body = NewJob(job=spec)
        return self._patient.fetch("POST", "jobs", PlanAnswer, body=body, query=query).plan

    def find_job(self, name: str) -> Job:
        """Return the job of this name.

        Raises:
            JobNotFound: There is none.
        """
        return self._rest.fetch("GET", "jobs", JobAnswer, query={"job_name": name}).job

    def get_job(self, job_id: UUID) -> Job:
        """Return one job.

        Raises:
            JobNotFound: There is none.
        """
        return self._rest.fetch("GET", f"jobs/{job_id}", JobAnswer).job

    def list_jobs(self) -> list[Job]:
        """Return all jobs, the newest first, in one answer; `iter_jobs` also of very many."""
        return self._rest.fetch("GET", "jobs/list", JobsAnswer).jobs

    def describe_job(self, job_id: UUID) -> JobDescription:
        """Return a job with the counts of its datums, and those that run or failed.

        Raises:
            JobNotFound: There is none.
        """
        return self._rest.fetch("GET", f"jobs/{job_id}/describe", JobDescription)

    def job_progress(self, job_id: UUID) -> Progress:
        """Return the counts of a job's datums.

        Raises:
            JobNotFound: There is none.
        """
        return self._rest.fetch("GET", f"jobs/{job_id}/progress", Progress)

    def retry_job(
        self,
        job_id: UUID,
        *,
        matching: str | None = None,
        parallelism: int | None = None,
        datum_tries: int | None = None,
        key: str | None = None,
    ) -> Job:
        """Make a new job of what an ended one did not finish. Tried again as `create_job` is.

        Args:
            job_id: The ended job.
            matching: Only the datums whose latest failure has this in its message, not empty;
                None: all unfinished ones.
            parallelism: How many workers, ≥ 0; None: as before.
            datum_tries: How often each datum may fail, ≥ 1; None: as before.
            key: As for `create_job`.

        Raises:
            JobNotFound: There is none.
            JobNotRetryable: It still runs, or has nothing (of this kind) left to do.
            InvalidInput: An option is out of range.
            Unavailable: No answer; `hint` tells how to see whether there is a job nevertheless.
        """
        options = RetryOptions(matching=matching, parallelism=parallelism, datum_tries=datum_tries)
        # Without options without a body: the original's falconerid takes none.
        body = None if options == RetryOptions() else options
        return self._make_job(f"jobs/{job_id}/retry", body, key)

    def cancel_job(self, job_id: UUID) -> Job:
        """End a job; a repeat is fine.

        Raises:
            JobNotFound: There is none.
            JobNotRunning: It has ended in another way.
        """
        return self._rest.fetch("POST", f"jobs/{job_id}/cancel", JobAnswer).job

    def pause_job(self, job_id: UUID) -> Job:
        """Hand out nothing more of a job for now; what runs goes on. A repeat is fine.

        Raises:
            JobNotFound: There is none.
            JobNotRunning: It has ended.
        """
        return self._rest.fetch("POST", f"jobs/{job_id}/pause", JobAnswer).job

    def resume_job(self, job_id: UUID) -> Job:
        """Let a paused job go on; a repeat is fine.

        Raises:
            JobNotFound: There is none.
            JobNotRunning: It has ended.
        """
        return self._rest.fetch("POST", f"jobs/{job_id}/resume", JobAnswer).job

    def scale_job(self, job_id: UUID, parallelism: int) -> Job:
        """Change how many workers a running job should have; a repeat is fine.

        Args:
            job_id: Which job.
            parallelism: How many, ≥ 0; 0 leaves its datums to wait.

        Raises:
            JobNotFound: There is none.
            JobNotRunning: It has ended.
            InvalidInput: Less than none.
        """
        return self._rest.fetch(
            "PUT", f"jobs/{job_id}/parallelism", JobAnswer, body=Parallelism(parallelism)
        ).job

    def delete_job(self, job_id: UUID) -> None:
        """Delete an ended job and all that is known of it; its results in the stores stay.

        Never tried again by itself, as the job would then be reported as missing.

        Raises:
            JobNotFound: There is none, or none any more.
            JobRunning: It has not ended.
            Unavailable: No answer; `hint` says that it may be gone.
        """
        try:
            self._once.send("DELETE", f"jobs/{job_id}")
        except Unavailable as ex:
            raise _but(ex, _PERHAPS_DELETED) from ex

    def describe_datum(self, datum_id: UUID) -> DatumDescription:
        """Return a datum with its input files.

        Raises:
            DatumNotFound: There is none.
        """
        return self._rest.fetch("GET", f"datums/{datum_id}/describe", DatumDescription)

    def events(self, job_id: UUID) -> Iterator[JobEvent]:
        """Yield how the job is, at once and whenever that changes, until it has ended.

        `JobProgress` at most each second or so; the last one is the `JobState` of the ended job.
        Lost connections are made anew. From the original's falconerid, which can't tell, come
        states only, and some seconds late.

        Args:
            job_id: Which job.

        Raises:
            JobNotFound: There is none, or none any more.
            Unavailable: falconerid can't be reached for a minute.
        """
        return iter(Watching(self._rest, self._waiting, job_id))

    def wait_for_job(self, job_id: UUID, *, hold_s: float = 25.0) -> Iterator[Progress]:
        """Yield the job's progress every `hold_s` seconds and when it ends; that one is the last.

        Args:
            job_id: Which job.
            hold_s: How long falconerid may hold an answer back while the job runs, ≤ `MAX_HOLD_S`.

        Raises:
            JobNotFound: There is none.
        """
        patience = replace(ROLLOUT, deadline_s=hold_s + ROLLOUT.deadline_s)
        waiting = self._waiting.but(timeout_s=hold_s + HOLD_MARGIN_S, retries=patience)
        while True:
            # Each round has a deadline of its own, in which a lost connection is made anew.
            answer = waiting.fetch(
                "GET", f"jobs/{job_id}/wait", WaitAnswer, query={"hold_s": f"{hold_s:g}"}
            )
            yield answer.progress
            if answer.progress.status.finished:
                return

    def _make_job(self, path: str, body: object, key: str | None) -> Job:
        headers = {"Idempotency-Key": key or uuid4().hex}
        try:
            return self._patient.fetch(
                "POST",
                path,
                JobAnswer,
                body=body,
                headers=headers,
                repeatable=lambda: self._understands(features.IDEMPOTENCY_KEY),
            ).job
        except Unavailable as ex:
            raise _but(ex, _PERHAPS_MADE) from ex

    def _understands(self, feature: str) -> bool:
        if self._features is None:
            header = self._rest.fetch_header("version", features.HEADER)
            self._features = features.read(header)
        return feature in self._features


def _but(error: Unavailable, hint: str) -> Unavailable:
    return Unavailable(error.message, detail=error.detail, hint=hint)
