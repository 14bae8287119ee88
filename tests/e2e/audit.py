"""What a job has come to, in full: its status, its files, and each try at each of its datums."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

from falconeri.states import AttemptOutcome, FailureClass, JobStatus
from falconeri.wire.controls import Attempt
from falconeri.wire.records import Job, Progress
from tests.e2e.site import Site


def wait(site: Site, job: Job) -> Progress:
    """How it stands when it has ended."""
    *_, progress = site.client.wait_for_job(job.id)
    return progress


def attempts_of(site: Site, job: Job) -> dict[UUID, list[Attempt]]:
    """The ended tries at each datum."""
    return {
        datum.id: site.client.list_attempts(datum.id) for datum in site.client.iter_datums(job.id)
    }


def failures_of(site: Site, job: Job) -> Counter[FailureClass | None]:
    """Why tries have failed so far."""
    return Counter(
        attempt.failure_class
        for attempts in attempts_of(site, job).values()
        for attempt in attempts
        if attempt.outcome is AttemptOutcome.ERROR
    )


def check_done(
    site: Site, job: Job, outputs: dict[str, str], failures: dict[FailureClass, int] | None = None
) -> None:
    """Every datum was done once, after no failures but those; the files are these; all is tidy."""
    progress = wait(site, job)
    assert (progress.status, progress.done) == (JobStatus.DONE, len(outputs))
    assert site.outputs(job.job_name) == outputs
    tries = attempts_of(site, job)
    for attempts in tries.values():
        outcomes = [(attempt.outcome, attempt.final) for attempt in attempts]
        assert outcomes[-1] == (AttemptOutcome.DONE, True)
        assert set(outcomes[:-1]) <= {(AttemptOutcome.ERROR, False)}
    assert len(tries) == len(outputs)
    assert failures_of(site, job) == (failures or {})
    site.wait_until_nothing_is_left(job.job_name)


def check_canceled(site: Site, job: Job, datums: int) -> None:
    """It ended by our wish, before any datum was done, and all is tidy."""
    progress = wait(site, job)
    assert (progress.status, progress.canceled) == (JobStatus.CANCELED, datums)
    assert site.outputs(job.job_name) == {}
    site.wait_until_nothing_is_left(job.job_name)
