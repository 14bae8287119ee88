"""What people and their programs ask of falconerid.

Called by the CLI; a method is a row of the REST API.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

from falconeri.client.retry import BRIEF, ONCE, ROLLOUT
from falconeri.client.transport import Transport, waiting_url
from falconeri.errors import Unavailable
from falconeri.wire.records import (
    DatumDescription,
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

_HOLD_MARGIN_S = 15.0


class JobsClient:
    """Typed calls about jobs; every one raises what `Transport.fetch` raises.

    Args:
        rest: To falconerid's REST port.
        waiting: To its waiting port.
    """

    def __init__(self, rest: Transport, waiting: Transport) -> None:
        self._rest = rest
        self._waiting = waiting
        self._once = rest.but(timeout_s=_CREATE_TIMEOUT_S, retries=ONCE)

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

    def create_job(self, spec: PipelineSpec) -> Job:
        """Create a job. Never tried again by itself, as each try could make one more job.

        Raises:
            Unavailable: No answer; `hint` tells how to see whether there is a job nevertheless.
        """
        try:
            return self._once.fetch("POST", "jobs", JobAnswer, body=NewJob(job=spec)).job
        except Unavailable as ex:
            raise _perhaps_made(ex) from ex

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
        """Return all jobs, the newest first."""
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

    def retry_job(self, job_id: UUID) -> Job:
        """Make a new job of what an ended one did not finish. Never tried again by itself.

        Raises:
            JobNotFound: There is none.
            JobNotRetryable: It still runs, or has nothing left to do.
            Unavailable: No answer; `hint` tells how to see whether there is a job nevertheless.
        """
        try:
            return self._once.fetch("POST", f"jobs/{job_id}/retry", JobAnswer).job
        except Unavailable as ex:
            raise _perhaps_made(ex) from ex

    def cancel_job(self, job_id: UUID) -> Job:
        """End a job; a repeat is fine.

        Raises:
            JobNotFound: There is none.
            JobNotRunning: It has ended in another way.
        """
        return self._rest.fetch("POST", f"jobs/{job_id}/cancel", JobAnswer).job

    def describe_datum(self, datum_id: UUID) -> DatumDescription:
        """Return a datum with its input files.

        Raises:
            DatumNotFound: There is none.
        """
        return self._rest.fetch("GET", f"datums/{datum_id}/describe", DatumDescription)

    def wait_for_job(self, job_id: UUID, *, hold_s: float = 25.0) -> Iterator[Progress]:
        """Yield the job's progress every `hold_s` seconds and when it ends; that one is the last.

        Args:
            job_id: Which job.
            hold_s: How long falconerid may hold an answer back while the job runs, ≤ 55.

        Raises:
            JobNotFound: There is none.
        """
        patience = replace(ROLLOUT, deadline_s=hold_s + ROLLOUT.deadline_s)
        waiting = self._waiting.but(timeout_s=hold_s + _HOLD_MARGIN_S, retries=patience)
        while True:
            # Each round has a deadline of its own, in which a lost connection is made anew.
            answer = waiting.fetch(
                "GET", f"jobs/{job_id}/wait", WaitAnswer, query={"hold_s": f"{hold_s:g}"}
            )
            yield answer.progress
            if answer.progress.status.finished:
                return


def _perhaps_made(error: Unavailable) -> Unavailable:
    hint = "the job may have been created all the same: look at the list before trying again"
    return Unavailable(error.message, detail=error.detail, hint=hint)
