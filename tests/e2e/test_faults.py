"""Pods, Jobs, nodes, the API server and falconerid itself fail in the middle of jobs."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from falconeri.states import FailureClass, JobStatus
from falconeri.wire.records import Job
from tests.e2e.audit import attempts_of, check_canceled, check_done, failures_of, wait
from tests.e2e.site import PROGRAM_IMAGE, Site
from tests.kube.cluster import FakeKubernetes
from tests.kube.waiting import eventually

ONE_WORKER: dict[str, Any] = {"parallelism_spec": {"constant": 1}}
COPY = 'cp "$pfs"/in/* "$pfs/out/"'
TEXTS = {f"{number}.txt": f"text {number}\n" for number in range(3)}


class Gate:
    """Lets programs go on when the test says so: they are processes of this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.script = (
            f'touch "{folder}/began.$FALCONERI_DATUM_ID.$FALCONERI_ATTEMPT"; '
            f'until [ -e "{folder}/go" ]; do sleep 0.05; done; '
            f"{COPY}"
        )

    def open(self) -> None:
        (self._folder / "go").touch()

    def wait_for_programs(self, count: int) -> None:
        """So many have begun, counting each try."""
        eventually(lambda: len(list(self._folder.glob("began.*"))) >= count, what="programs")


@pytest.fixture
def gate(fake: FakeKubernetes, tmp_path: Path) -> Iterator[Gate]:
    del fake  # on a real cluster no pod could see it
    gate = Gate(tmp_path)
    yield gate
    gate.open()


def submit(site: Site, gate: Gate, **parts: object) -> Job:
    """A job of one worker, which holds one datum at a time."""
    return site.submit(gate.script, TEXTS, **ONE_WORKER, pipelining=False, datum_tries=2, **parts)


def holder(site: Site, job: Job) -> str:
    """A pod whose program runs."""

    def look() -> str:
        pods = site.pods(job.job_name)
        found = [worker for worker in site.client.iter_workers(job.id) if worker.holds]
        return next((worker.pod_name for worker in found if worker.pod_name in pods), "")

    return eventually(look, what="a pod that holds a datum")


def jobs_made(fake: FakeKubernetes, job: Job) -> int:
    """How many Kubernetes Jobs of its name there have ever been."""
    return sum(
        (change.type, change.kind) == ("ADDED", "Job")
        and change.object["metadata"]["name"] == job.job_name
        for change in list(fake.store.log)
    )


def test_datums_of_pods_that_die_in_all_ways_are_done_once_and_each_death_has_its_cause(
    site: Site, fake: FakeKubernetes, gate: Gate
) -> None:
    """Each time the past is forgotten, too: the watches begin anew and miss nothing."""
    job = submit(site, gate)
    gate.wait_for_programs(1)
    told = dict.fromkeys(FailureClass, 0)
    for blow, failure_class in (
        (fake.kill_pod, FailureClass.LOST_WORKER),
        (fake.evict_pod, FailureClass.EVICTED),
        (fake.preempt_pod, FailureClass.EVICTED),
        (fake.run_out_of_memory, FailureClass.OUT_OF_MEMORY),
    ):
        pod = holder(site, job)
        fake.forget_the_past()
        blow(pod)
        told[failure_class] += 1
        eventually(lambda c=failure_class: failures_of(site, job)[c] == told[c], what=failure_class)
        gate.wait_for_programs(1 + sum(told.values()))
    gate.open()

    check_done(site, job, TEXTS, {c: count for c, count in told.items() if count})


def test_datum_of_a_lost_node_goes_to_another(site: Site, fake: FakeKubernetes, gate: Gate) -> None:
    job = submit(site, gate)
    gate.wait_for_programs(1)
    [pod] = fake.pods(job.job_name)
    node = pod["spec"]["nodeName"]

    fake.lose_node(node)
    gate.wait_for_programs(2)
    gate.open()

    check_done(site, job, TEXTS, {FailureClass.EVICTED: 1})
    fake.set_node_ready(node, ready=True)
    [lost] = [a for tries in attempts_of(site, job).values() for a in tries if a.failure_class]
    assert (lost.node_name, lost.pod_name) == (node, pod["metadata"]["name"])
    assert "its node was lost" in (lost.error_message or "")


def test_job_whose_image_is_missing_says_so_and_is_done_when_it_is_there(
    site: Site, fake: FakeKubernetes
) -> None:
    fake.missing_images.add(PROGRAM_IMAGE)
    job = site.submit(COPY, TEXTS, **ONE_WORKER)

    [why] = eventually(lambda: site.client.describe_job(job.id).waits, what="why it waits")
    fake.missing_images.clear()

    assert why.reason == "image"
    assert PROGRAM_IMAGE in why.message
    check_done(site, job, TEXTS)


def test_job_over_its_deadline_ends_with_that_reason(
    site: Site, fake: FakeKubernetes, gate: Gate
) -> None:
    job = submit(site, gate, job_timeout="1h")
    gate.wait_for_programs(1)

    fake.exceed_deadline(job.job_name)

    progress = wait(site, job)
    assert (progress.status, progress.canceled) == (JobStatus.ERROR, len(TEXTS))
    assert "job_timeout" in (site.client.get_job(job.id).error_message or "")
    assert site.outputs(job.job_name) == {}
    site.wait_until_nothing_is_left(job.job_name)


def test_steps_of_the_start_that_the_api_server_fails_are_made_up_for(
    site: Site, fake: FakeKubernetes
) -> None:
    with fake.failing("patch", "jobs", 503) as patched:
        with fake.failing("create", "secrets", 503) as given:
            with fake.failing("create", "jobs", 503) as created:
                job = site.submit(COPY, TEXTS, **ONE_WORKER)
                eventually(lambda: created, what="a Job that can't be made")
            eventually(lambda: given, what="a token that can't be given")
        eventually(lambda: patched, what="a Job that can't be let begin")
        assert fake.pods(job.job_name) == []

    check_done(site, job, TEXTS)
    assert jobs_made(fake, job) == 1


def test_job_runs_to_its_end_and_is_deleted_while_the_api_server_is_down(
    site: Site, fake: FakeKubernetes, gate: Gate
) -> None:
    job = submit(site, gate)
    gate.wait_for_programs(1)

    with fake.outage():
        gate.open()
        assert wait(site, job).status is JobStatus.DONE
        assert site.outputs(job.job_name) == TEXTS
        assert failures_of(site, job) == {}
        site.client.delete_job(job.id)

    site.wait_until_nothing_is_left(job.job_name)
    assert jobs_made(fake, job) == 1


def test_pod_that_is_killed_while_the_api_server_is_down_is_replaced_after_it(
    site: Site, fake: FakeKubernetes, gate: Gate
) -> None:
    job = submit(site, gate)
    gate.wait_for_programs(1)
    pod = holder(site, job)

    with fake.outage():
        fake.kill_pod(pod)
        fake.forget_the_past()
    gate.wait_for_programs(2)
    gate.open()

    check_done(site, job, TEXTS, {FailureClass.LOST_WORKER: 1})


def test_job_that_is_suspended_then_canceled_while_the_api_server_is_down_is_so_after_it(
    site: Site, fake: FakeKubernetes, gate: Gate
) -> None:
    job = submit(site, gate)
    gate.wait_for_programs(1)
    with fake.outage():
        site.client.scale_job(job.id, 0)
    eventually(lambda: not fake.pods(job.job_name, phase="Running"), what="no pods")
    assert site.client.get_job(job.id).status is JobStatus.RUNNING

    with fake.outage():
        site.client.cancel_job(job.id)

    check_canceled(site, job, len(TEXTS))
    assert failures_of(site, job).keys() <= {FailureClass.EVICTED}
    assert jobs_made(fake, job) == 1


def test_job_that_is_suspended_goes_on_when_it_is_scaled_up_while_the_api_server_is_down(
    site: Site, fake: FakeKubernetes, gate: Gate
) -> None:
    job = submit(site, gate)
    gate.wait_for_programs(1)
    site.client.scale_job(job.id, 0)
    eventually(lambda: not fake.pods(job.job_name, phase="Running"), what="no pods")

    with fake.outage():
        site.client.scale_job(job.id, 1)
        gate.open()

    check_done(site, job, TEXTS, {FailureClass.EVICTED: 1})
    assert jobs_made(fake, job) == 1


def test_pods_of_a_paused_job_end_what_they_hold_and_come_back_though_the_api_server_was_down(
    site: Site, fake: FakeKubernetes, gate: Gate
) -> None:
    job = submit(site, gate)
    gate.wait_for_programs(1)
    site.client.pause_job(job.id)
    assert holder(site, job), "it is not disturbed"

    gate.open()
    eventually(lambda: not fake.pods(job.job_name, phase="Running"), what="no pods")
    assert site.client.job_progress(job.id).done == 1
    with fake.outage():
        site.client.resume_job(job.id)

    check_done(site, job, TEXTS, {})
    assert jobs_made(fake, job) == 1


def test_two_of_each_falconerid_make_one_job_and_either_may_be_killed(
    site: Site, fake: FakeKubernetes, gate: Gate
) -> None:
    serve, tasks = site.plane.start_serve(), site.plane.start_tasks()
    jobs = [submit(site, gate) for _ in range(2)]
    gate.wait_for_programs(2)

    for process in (site.serve.process, site.tasks):
        process.send_signal(signal.SIGKILL)
        process.wait()
    site.serve, site.tasks = serve, tasks
    fake.evict_pod(holder(site, jobs[0]))
    gate.wait_for_programs(3)
    gate.open()

    check_done(site, jobs[0], TEXTS, {FailureClass.EVICTED: 1})
    check_done(site, jobs[1], TEXTS)
    assert [jobs_made(fake, job) for job in jobs] == [1, 1]
