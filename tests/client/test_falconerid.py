"""Each call of people against a real falconerid; what an answer means is tested in tests/server."""

from __future__ import annotations

import uuid
from collections.abc import Generator
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from falconeri import __version__
from falconeri.client import listings
from falconeri.client.events import Watching
from falconeri.client.jobs import JobsClient
from falconeri.client.retry import BRIEF
from falconeri.client.transport import Transport
from falconeri.client.work import WorkClient
from falconeri.errors import DatumNotFound, InvalidInput, JobNotFound, JobRunning, Unavailable
from falconeri.states import AttemptOutcome, DatumStatus, FailureClass, JobStatus
from falconeri.wire.controls import WorkerState
from falconeri.wire.events import JobProgress, JobState
from falconeri.wire.records import Job
from falconeri.wire.spec import PipelineSpec
from falconeri.wire.work import (
    Claim,
    Completion,
    Heartbeat,
    Held,
    NewOutput,
    NewOutputs,
    Report,
    WorkerIdentity,
)
from tests.databases import fresh_database
from tests.server.conftest import spec
from tests.server.falconerid import PASSWORD, Falconerid, running

DONE = Report(outcome=AttemptOutcome.DONE)
FAILED = Report(
    outcome=AttemptOutcome.ERROR,
    failure_class=FailureClass.COMMAND,
    error_message="disk full",
)


@pytest.fixture(scope="module")
def falconerid(tmp_path_factory: pytest.TempPathFactory) -> Generator[Falconerid]:
    with fresh_database() as url, running(url, tmp_path_factory.mktemp("state")) as server:
        yield server


@pytest.fixture
def client(falconerid: Falconerid) -> JobsClient:
    return JobsClient.connect(
        f"http://127.0.0.1:{falconerid.port}/",
        PASSWORD,
        wait_url=f"http://127.0.0.1:{falconerid.wait_port}/",
    )


@pytest.fixture
def worker(falconerid: Falconerid) -> WorkClient:
    url = f"http://127.0.0.1:{falconerid.port}/"
    return WorkClient(Transport(url, PASSWORD, timeout_s=30.0, retries=BRIEF))


def make_job(client: JobsClient, folder: Path, datums: int = 1, **fields: Any) -> Job:  # noqa: ANN401
    return client.create_job(msgspec.convert(spec(folder, datums) | fields, PipelineSpec))


def finish(worker: WorkClient, job: Job, report: Report) -> Claim:
    """Claim a datum, announce one file for it if it succeeds, and end it."""
    claim = worker.claim(job.id, WorkerIdentity("pod-a", "node-a")).claim
    assert claim is not None
    if report.outcome is AttemptOutcome.DONE:
        files = [NewOutput(uri=f"{job.egress_uri}{claim.datum_id}")]
        worker.register_outputs(claim.datum_id, NewOutputs("pod-a", files, claim.attempt))
    completion = Completion("pod-a", claim.attempt, report, claim_next=False)
    worker.complete(claim.datum_id, completion)
    return claim


def test_falconerid_is_asked_about_itself(client: JobsClient) -> None:
    assert client.version() == __version__
    assert client.health().status == client.readiness().status == "ok"
    assert "\nfalconeri_" in client.metrics()
    assert client.openapi()["openapi"].startswith("3.1")


def test_job_is_planned(client: JobsClient, tmp_path: Path) -> None:
    name = f"plan-{uuid.uuid4().hex[:12]}"
    asked = spec(tmp_path, 3) | {"pipeline": {"name": name}}

    planned = client.plan_job(msgspec.convert(asked, PipelineSpec))

    assert (planned.pipeline_name, planned.datums, planned.size.total_bytes) == (name, 3, 3)
    assert list(client.iter_jobs(name=name)) == []


def test_job_is_paused_scaled_and_resumed(client: JobsClient, tmp_path: Path) -> None:
    job = make_job(client, tmp_path)

    assert client.pause_job(job.id).paused
    assert client.scale_job(job.id, 0).id == job.id
    assert not client.resume_job(job.id).paused
    with pytest.raises(InvalidInput):
        client.scale_job(job.id, -1)


def test_ended_job_is_deleted(client: JobsClient, tmp_path: Path) -> None:
    job = make_job(client, tmp_path)
    with pytest.raises(JobRunning):
        client.delete_job(job.id)
    client.cancel_job(job.id)

    client.delete_job(job.id)

    with pytest.raises(JobNotFound):
        client.get_job(job.id)


def test_only_matching_failures_are_retried(
    client: JobsClient, worker: WorkClient, tmp_path: Path
) -> None:
    job = make_job(client, tmp_path, 2, datum_tries=1)
    finish(worker, job, FAILED)
    client.cancel_job(job.id)

    some = client.retry_job(job.id, matching="full", parallelism=3, datum_tries=4)
    all_of_it = client.retry_job(job.id)

    assert client.job_progress(some.id).total == 1
    [datum] = client.iter_datums(some.id)
    assert datum.maximum_allowed_run_count == 4
    assert client.job_progress(all_of_it.id).total == 2


def test_jobs_are_found_by_status_and_beginning_of_the_name(
    client: JobsClient, tmp_path: Path
) -> None:
    name = f"list-{uuid.uuid4().hex[:12]}"
    first, second, third = (make_job(client, tmp_path, pipeline={"name": name}) for _ in range(3))
    client.cancel_job(second.id)

    def ids(**filters: Any) -> list[uuid.UUID]:  # noqa: ANN401
        return [job.id for job in client.iter_jobs(name=name, **filters)]

    assert ids() == [third.id, second.id, first.id]
    assert ids(status=JobStatus.CANCELED) == [second.id]
    assert ids(limit=2) == [third.id, second.id]


def test_list_of_jobs_goes_on_when_its_place_is_deleted(
    client: JobsClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listings, "_PAGE", 2)
    name = f"list-{uuid.uuid4().hex[:12]}"
    made = [make_job(client, tmp_path, pipeline={"name": name}).id for _ in range(4)]

    found = client.iter_jobs(name=name)
    seen = [next(found).id, next(found).id]
    client.cancel_job(made[2])
    client.delete_job(made[2])

    assert [*seen, *(job.id for job in found)] == made[::-1]


def test_all_pages_of_datums_are_gone_through(
    client: JobsClient, worker: WorkClient, tmp_path: Path
) -> None:
    job = make_job(client, tmp_path, 1001)
    claim = finish(worker, job, DONE)

    datums = list(client.iter_datums(job.id))

    assert len({datum.id for datum in datums}) == 1001
    [done] = client.iter_datums(job.id, status=DatumStatus.DONE)
    assert done.id == claim.datum_id


def test_attempts_are_the_history_of_a_datum(
    client: JobsClient, worker: WorkClient, tmp_path: Path
) -> None:
    job = make_job(client, tmp_path, datum_tries=2)
    datum_id = finish(worker, job, FAILED).datum_id
    finish(worker, job, DONE)

    first, second = client.list_attempts(datum_id)

    assert (first.failure_class, first.error_message) == (FailureClass.COMMAND, "disk full")
    assert (second.outcome, second.final, second.node_name) == (AttemptOutcome.DONE, True, "node-a")
    with pytest.raises(DatumNotFound):
        client.list_attempts(uuid.uuid4())


def test_outputs_are_the_manifest(client: JobsClient, worker: WorkClient, tmp_path: Path) -> None:
    job = make_job(client, tmp_path, 3)
    claims = [finish(worker, job, DONE) for _ in range(2)]

    files = list(client.iter_outputs(job.id))

    assert [file.datum_id for file in files] == [claim.datum_id for claim in claims]
    with pytest.raises(JobNotFound):
        list(client.iter_outputs(uuid.uuid4()))


SECOND_PAGE_FAILS = b"""
alter function falconeri.list_outputs(uuid, uuid, integer) rename to list_outputs_as_it_was;
create function falconeri.list_outputs(p_job_id uuid, p_after uuid, p_limit integer) returns table (
  id uuid, created_at timestamptz, updated_at timestamptz, status falconeri.output_status,
  job_id uuid, datum_id uuid, uri text, size_bytes bigint, checksum text
)
language plpgsql as $$
begin
  if p_after is not null then
    raise exception 'the database broke down';
  end if;
  return query select * from falconeri.list_outputs_as_it_was(p_job_id, p_after, p_limit);
end
$$
"""


def test_outputs_that_falconerid_cannot_read_on_are_an_error_and_no_short_list(
    falconerid: Falconerid, client: JobsClient, worker: WorkClient, tmp_path: Path
) -> None:
    job = make_job(client, tmp_path)
    finish(worker, job, DONE)
    with psycopg.connect(falconerid.database_url, autocommit=True) as conn:
        conn.execute(SECOND_PAGE_FAILS)
        files = client.iter_outputs(job.id)

        assert next(files).job_id == job.id
        with pytest.raises(Unavailable, match="cut off"):
            next(files)

        conn.execute(b"drop function falconeri.list_outputs")
        conn.execute(b"alter function falconeri.list_outputs_as_it_was rename to list_outputs")
    assert len(list(client.iter_outputs(job.id))) == 1


def test_workers_are_listed_with_what_they_print(
    client: JobsClient, worker: WorkClient, tmp_path: Path
) -> None:
    job = make_job(client, tmp_path)
    claim = worker.claim(job.id, WorkerIdentity("pod-a", "node-a")).claim
    assert claim is not None
    worker.heartbeat(job.id, Heartbeat("pod-a", [Held(claim.datum_id, 1, "hello\n")]))

    [found] = client.iter_workers(job.id)

    assert (found.pod_name, found.state) == ("pod-a", WorkerState.WORKING)
    assert [(hold.datum_id, hold.log_tail) for hold in found.holds] == [(claim.datum_id, "hello\n")]
    assert client.describe_datum(claim.datum_id).log_tail == "hello\n"


def test_watching_ends_with_the_job(client: JobsClient, tmp_path: Path) -> None:
    job = make_job(client, tmp_path, 2)
    events = client.events(job.id)
    first, second = next(events), next(events)
    client.cancel_job(job.id)

    *_, last = events

    assert isinstance(first, JobState)
    assert isinstance(second, JobProgress)
    assert (second.total, second.ready) == (2, 2)
    assert isinstance(last, JobState)
    assert (first.status, last.status) == (JobStatus.RUNNING, JobStatus.CANCELED)
    with pytest.raises(JobNotFound):
        next(client.events(uuid.uuid4()))


def test_watching_outlives_a_restart_of_falconerid(tmp_path: Path) -> None:
    with fresh_database() as url:
        with running(url, tmp_path) as first:
            calls = JobsClient.connect(f"http://127.0.0.1:{first.port}/", PASSWORD)
            job = make_job(calls, tmp_path)
            rest = Transport(
                f"http://127.0.0.1:{first.port}/", PASSWORD, timeout_s=30.0, retries=BRIEF
            )
            waiting = rest.but(url=f"http://127.0.0.1:{first.wait_port}/")
            events = iter(Watching(rest, waiting, job.id, pause=lambda _: None))
            next(events)
            next(events)
            assert first.stop() == 0
        ports = {"FALCONERI_PORT": str(first.port), "FALCONERI_WAIT_PORT": str(first.wait_port)}
        with running(url, tmp_path, **ports):
            calls.cancel_job(job.id)
            *_, last = events

    assert isinstance(last, JobState)
    assert last.status is JobStatus.CANCELED
