"""Workers as pods, on a fake cluster over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from falconeri.cluster.base import DeadWorker, WorkersSpec
from falconeri.cluster.kubernetes import KubernetesCluster
from falconeri.cluster.manifest import ManifestSettings
from falconeri.errors import Forbidden, InvalidArgument, SecretNotFound, Unavailable
from falconeri.kube.api import KubeApi
from falconeri.states import FailureClass
from tests.cluster.factories import eventually, make_workers
from tests.kube.cluster import FakeKubernetes
from tests.kube.kinds import kind_named
from tests.kube.volumes import Image

OURS = "falconeri:1"
SETTINGS = ManifestSettings(OURS, None, image_volume=False, environment={})


@pytest.fixture
def kube(tmp_path: Path) -> Iterator[FakeKubernetes]:
    """A cluster with an image that has a worker, which shows its token and waits."""
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    script = bundle / "falconeri-worker"
    token = "${FALCONERI_PASSWORD_FILE:-/etc/falconeri/secrets/POSTGRES_PASSWORD}"
    script.write_text(f'#!/bin/sh\ncat "{token}"; exec sleep 1000\n')
    script.chmod(0o755)
    with FakeKubernetes(tmp_path / "nodes") as kube:
        kube.add_image(OURS, Image(files={"/opt/falconeri/worker": bundle}))
        yield kube


@pytest.fixture
def api(kube: FakeKubernetes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KubeApi:
    monkeypatch.setenv("KUBECONFIG", str(kube.write_kubeconfig(tmp_path / "kubeconfig")))
    return KubeApi.connect(namespace=None)


class Watched:
    """A cluster and what it has told."""

    def __init__(self, api: KubeApi) -> None:
        self.woken = threading.Event()
        self.cluster = KubernetesCluster(api, SETTINGS, on_death=self.woken.set)
        self.deaths: list[DeadWorker] = []

    def wait_for_pods(self, kube: FakeKubernetes, workers: WorkersSpec, count: int) -> set[str]:
        """The names of the job's pods, when so many run and are seen."""

        def look() -> set[str]:
            running = {
                pod["metadata"]["name"]
                for pod in kube.pods(workers.job_name, phase="Running")
                if "deletionTimestamp" not in pod["metadata"]
            }
            seen = {name for job, name in self.cluster.live_workers() if job == workers.job_id}
            return running if len(running) == count and running == seen else set()

        return eventually(look, what=f"{count} running pods")

    def wait_for_death(self, pod: str) -> DeadWorker:
        def look() -> list[DeadWorker]:
            self.deaths += self.cluster.take_deaths()
            return [death for death in self.deaths if death.pod_name == pod]

        return eventually(look, what=f"the death of {pod}")[0]


@pytest.fixture
def watched(api: KubeApi) -> Iterator[Watched]:
    watched = Watched(api)
    yield watched
    watched.cluster.close()


def make(name: str = "words-abc123", *, parallelism: int = 1, **spec: Any) -> WorkersSpec:  # noqa: ANN401 - any JSON
    workers = make_workers(parallelism=parallelism, job_name=name)
    resources = {"memory": "16Mi", "cpu": 0.1}
    return replace(workers, spec={**workers.spec, "resource_requests": resources, **spec})


def test_a_started_job_has_its_workers_with_their_token(
    kube: FakeKubernetes, watched: Watched
) -> None:
    workers = make(parallelism=2)

    watched.cluster.start(workers)

    pods = watched.wait_for_pods(kube, workers, 2)
    assert watched.cluster.running_jobs() == {workers.job_id}
    for pod in pods:
        eventually(lambda pod=pod: kube.log_of(pod) == "t0ken", what="its token")
    watched.cluster.start(workers)
    watched.cluster.start(workers)
    assert watched.wait_for_pods(kube, workers, 2) == pods
    assert len(kube.store.list("Secret")) == 1


def test_a_stopped_job_leaves_nothing(kube: FakeKubernetes, watched: Watched) -> None:
    workers = make()
    watched.cluster.start(workers)
    [pod] = watched.wait_for_pods(kube, workers, 1)

    watched.cluster.stop(workers.job_id)

    assert watched.cluster.running_jobs() == set()
    death = watched.wait_for_death(pod)
    assert death.failure_class is FailureClass.EVICTED
    eventually(
        lambda: not any(kube.store.list(kind) for kind in ("Job", "Secret", "Pod")), what="nothing"
    )
    watched.cluster.stop(workers.job_id)


def test_a_job_is_scaled_suspended_and_resumed(kube: FakeKubernetes, watched: Watched) -> None:
    workers = make(parallelism=1)
    watched.cluster.start(workers)
    watched.wait_for_pods(kube, workers, 1)

    watched.cluster.start(replace(workers, parallelism=3))
    watched.wait_for_pods(kube, workers, 3)
    watched.cluster.start(replace(workers, parallelism=0))
    eventually(lambda: not watched.cluster.live_workers(), what="no workers")
    assert watched.cluster.running_jobs() == {workers.job_id}
    watched.cluster.start(replace(workers, parallelism=2))
    watched.wait_for_pods(kube, workers, 2)


@pytest.mark.parametrize("step", ["create:secrets", "patch:jobs"])
def test_a_start_that_failed_half_way_is_finished_by_the_next(
    kube: FakeKubernetes, watched: Watched, step: str
) -> None:
    workers = make()
    verb, resource = step.split(":")
    with kube.failing(verb, resource, 503, "ServiceUnavailable"), pytest.raises(Unavailable):
        watched.cluster.start(workers)
    assert kube.pods() == []

    watched.cluster.start(workers)

    watched.wait_for_pods(kube, workers, 1)


def test_two_that_start_the_same_job_make_one(
    kube: FakeKubernetes, watched: Watched, api: KubeApi
) -> None:
    other = KubernetesCluster(api, SETTINGS)
    workers = make()
    threads = [
        threading.Thread(target=cluster.start, args=(workers,))
        for cluster in (watched.cluster, other)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    watched.cluster.start(workers)
    watched.wait_for_pods(kube, workers, 1)
    assert len(kube.store.list("Job")) == 1
    other.close()


@pytest.mark.parametrize(
    ("blow", "failure_class", "words"),
    [
        ("kill_pod", FailureClass.LOST_WORKER, "killed by signal 9"),
        ("run_out_of_memory", FailureClass.OUT_OF_MEMORY, "OOMKilled"),
        ("evict_pod", FailureClass.EVICTED, "low on resource"),
        ("preempt_pod", FailureClass.EVICTED, "higher priority"),
    ],
)
def test_a_death_is_told_once_with_its_cause_and_the_pod_is_replaced(
    kube: FakeKubernetes, watched: Watched, blow: str, failure_class: FailureClass, words: str
) -> None:
    workers = make()
    watched.cluster.start(workers)
    [pod] = watched.wait_for_pods(kube, workers, 1)
    watched.woken.clear()

    getattr(kube, blow)(pod)

    assert watched.woken.wait(30)
    death = watched.wait_for_death(pod)
    assert death.failure_class is failure_class
    assert words in death.message
    assert pod not in watched.wait_for_pods(kube, workers, 1)
    watched.deaths += watched.cluster.take_deaths()
    assert [death.pod_name for death in watched.deaths] == [pod]
    assert watched.cluster.failed_jobs() == {}


def test_a_pod_of_a_lost_node_is_a_death(kube: FakeKubernetes, watched: Watched) -> None:
    workers = make()
    watched.cluster.start(workers)
    [pod] = watched.wait_for_pods(kube, workers, 1)
    [found] = kube.pods()

    kube.lose_node(found["spec"]["nodeName"])

    assert watched.wait_for_death(pod).message.startswith("its node was lost")


def test_a_job_that_can_not_run_has_failed_with_the_clusters_words(watched: Watched) -> None:
    greedy = {"name": "worker", "resources": {"requests": {"memory": "1Ti"}}}
    workers = make(pod_patch={"containers": [greedy]})

    watched.cluster.start(workers)

    assert "memory limit" in watched.cluster.failed_jobs()[workers.job_id]
    assert watched.cluster.running_jobs() == {workers.job_id}
    assert watched.woken.is_set()
    watched.cluster.stop(workers.job_id)
    assert watched.cluster.failed_jobs() == {}


def test_a_job_past_its_deadline_has_failed(kube: FakeKubernetes, watched: Watched) -> None:
    workers = make(job_timeout=3600)
    watched.cluster.start(workers)
    watched.wait_for_pods(kube, workers, 1)
    kube.exceed_deadline(workers.job_name)
    eventually(watched.cluster.failed_jobs, what="a failed job")
    assert "job_timeout" in watched.cluster.failed_jobs()[workers.job_id]


def test_it_says_why_pods_wait_until_they_do_not(kube: FakeKubernetes, watched: Watched) -> None:
    workers = make(parallelism=2)
    kube.missing_images.add(OURS)
    watched.cluster.start(workers)

    [wait] = eventually(watched.cluster.waiting_workers, what="workers that wait")
    waits = eventually(
        lambda: [w for w in watched.cluster.waiting_workers() if w.pod_count == 2],
        what="both workers that wait",
    )
    kube.missing_images.clear()
    watched.wait_for_pods(kube, workers, 2)

    assert (wait.job_id, wait.reason) == (workers.job_id, "image")
    assert OURS in waits[0].message
    assert watched.cluster.waiting_workers() == []


def test_it_says_that_no_node_takes_a_pod(kube: FakeKubernetes, watched: Watched) -> None:
    kube.refuse_scheduling("Insufficient cpu")
    watched.cluster.start(make())

    [wait] = eventually(watched.cluster.waiting_workers, what="a worker that waits")

    assert wait.reason == "unschedulable"
    assert "Insufficient cpu" in wait.message


def test_it_says_that_a_quota_lets_no_pod_be_made(kube: FakeKubernetes, watched: Watched) -> None:
    kube.quota = "pods, requested: pods=1, used: pods=10, limited: pods=10"
    workers = make()
    watched.cluster.start(workers)

    [wait] = eventually(watched.cluster.waiting_workers, what="a worker that waits")

    assert wait.reason == "quota"
    assert "quota" in wait.message
    assert workers.job_name not in wait.message


def test_an_image_that_can_not_run_the_worker_fails_the_job(
    kube: FakeKubernetes, watched: Watched
) -> None:
    workers = make()
    watched.cluster.start(workers)
    [pod] = watched.wait_for_pods(kube, workers, 1)
    kube.exit_pod(pod, 127)
    reason = eventually(watched.cluster.failed_jobs, what="a failed job")[workers.job_id]
    assert "exit code 127" in reason


def test_a_kubernetes_job_that_somebody_deleted_is_made_again(
    kube: FakeKubernetes, watched: Watched, api: KubeApi
) -> None:
    workers = make()
    watched.cluster.start(workers)
    [pod] = watched.wait_for_pods(kube, workers, 1)
    found = api.find("Job", workers.job_name)
    assert found
    api.delete("Job", workers.job_name, uid=found["metadata"]["uid"])
    watched.wait_for_death(pod)

    def again() -> bool:
        watched.cluster.start(workers)
        return bool(kube.pods(workers.job_name, phase="Running"))

    eventually(again, what="a new pod")


def test_watches_go_on_after_an_outage_and_after_the_past_is_forgotten(
    kube: FakeKubernetes, watched: Watched
) -> None:
    workers = make(parallelism=2)
    watched.cluster.start(workers)
    first, second = watched.wait_for_pods(kube, workers, 2)

    with kube.outage():
        kube.kill_pod(first)
        kube.forget_the_past()
    assert watched.wait_for_death(first).failure_class is FailureClass.LOST_WORKER
    kube.forget_the_past()
    kube.kill_pod(second)
    watched.wait_for_death(second)
    watched.wait_for_pods(kube, workers, 2)


def test_nothing_is_told_of_a_cluster_that_can_not_be_seen(
    kube: FakeKubernetes, api: KubeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("falconeri.cluster.informer._SYNC_S", 0.1)
    kube.forbid("watch", "pods")
    cluster = KubernetesCluster(api, SETTINGS)
    with pytest.raises(Unavailable):
        cluster.live_workers()
    cluster.close()


def test_one_that_comes_later_sees_what_was_started_before(
    kube: FakeKubernetes, watched: Watched, api: KubeApi
) -> None:
    workers = make()
    watched.cluster.start(workers)
    [pod] = watched.wait_for_pods(kube, workers, 1)
    other = KubernetesCluster(api, SETTINGS)
    assert other.running_jobs() == {workers.job_id}
    assert other.live_workers() == {(workers.job_id, pod)}
    other.close()


def test_strangers_are_left_alone(kube: FakeKubernetes, watched: Watched) -> None:
    job = {
        "metadata": {
            "name": "theirs",
            "labels": {"created-by": "falconeri", "falconeri.io/job-id": "no-uuid"},
        },
        "spec": {
            "suspend": True,
            "template": {
                "spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "b"}]}
            },
        },
    }
    kube.store.create(kind_named("Job"), "default", job)
    assert watched.cluster.running_jobs() == set()
    workers = make("theirs")
    watched.cluster.start(workers)
    assert "another Kubernetes Job" in watched.cluster.failed_jobs()[workers.job_id]


def test_secrets_are_read(kube: FakeKubernetes, watched: Watched) -> None:
    secret = {"metadata": {"name": "s3"}, "stringData": {"KEY": "välue"}}
    kube.store.create(kind_named("Secret"), "default", secret)
    assert watched.cluster.read_secret("s3") == {"KEY": "välue"}
    with pytest.raises(SecretNotFound):
        watched.cluster.read_secret("no")
    kube.forbid("get", "secrets")
    with pytest.raises(Forbidden):
        watched.cluster.read_secret("s3")


def test_without_a_cluster_it_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "no"))
    with pytest.raises(InvalidArgument, match="KUBECONFIG"):
        KubeApi.connect(namespace=None)
