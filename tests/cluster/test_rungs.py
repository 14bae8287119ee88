"""A job's workers with more memory than its others: on the fake Kubernetes, and as local ones."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from falconeri.cluster.base import RungSpec, WorkersSpec
from falconeri.cluster.kubernetes import KubernetesCluster
from falconeri.cluster.manifest import RUNG, kubernetes_name
from falconeri.errors import Unavailable
from falconeri.kube.api import KubeApi
from tests.cluster.conftest import MakeCluster
from tests.cluster.factories import eventually, make_workers, shell
from tests.cluster.test_kubernetes import SETTINGS, Watched, api, kube, make, watched
from tests.kube.cluster import FakeKubernetes

__all__ = ["api", "kube", "watched"]


def with_rungs(workers: WorkersSpec, **counts: int) -> WorkersSpec:
    """The same, with so many workers on rungs: `one=2`."""
    numbers = {"one": 1, "two": 2}
    rungs = [
        RungSpec(numbers[name], f"{2 ** numbers[name] * 16}Mi", n) for name, n in counts.items()
    ]
    return replace(workers, rungs=rungs)


def wait_for(kube: FakeKubernetes, workers: WorkersSpec, *counts: int) -> list[set[str]]:
    """The names of the pods of each rung, from the lowest on, when so many run and no others do."""

    def look() -> list[set[str]]:
        found = [
            {
                pod["metadata"]["name"]
                for pod in kube.pods(kubernetes_name(workers.job_name, rung), phase="Running")
                if "deletionTimestamp" not in pod["metadata"]
            }
            for rung in range(3)
        ]
        return found if [len(pods) for pods in found] == [*counts, *[0] * (3 - len(counts))] else []

    return eventually(look, what=f"{counts} pods")


def names_of_jobs(kube: FakeKubernetes) -> list[str]:
    return sorted(
        job["metadata"]["name"]
        for job in kube.store.list("Job")
        if "deletionTimestamp" not in job["metadata"]
    )


def test_a_rung_has_a_kubernetes_job_with_its_memory_and_its_token(
    kube: FakeKubernetes, watched: Watched
) -> None:
    workers = with_rungs(make(parallelism=2), one=1)

    for _ in range(3):
        watched.cluster.start(workers)

    _, [larger], _ = wait_for(kube, workers, 2, 1)
    [pod] = [pod for pod in kube.pods() if pod["metadata"]["name"] == larger]
    container = pod["spec"]["containers"][0]
    assert container["resources"]["limits"]["memory"] == "32Mi"
    assert container["resources"]["requests"]["memory"] == "32Mi"
    assert {"name": "FALCONERI_RUNG", "value": "1"} in container["env"]
    eventually(lambda: kube.log_of(larger) == "t0ken", what="its token")
    assert (workers.job_id, larger) in watched.cluster.live_workers()
    assert watched.cluster.running_jobs() == {workers.job_id}


def test_a_rung_grows_as_it_is_needed_and_does_not_shrink_under_its_workers(
    kube: FakeKubernetes, watched: Watched
) -> None:
    workers = make(parallelism=3)
    watched.cluster.start(with_rungs(workers, one=1))
    before = wait_for(kube, workers, 3, 1)[1]
    watched.cluster.start(with_rungs(workers, one=3))
    grown = wait_for(kube, workers, 3, 3)[1]
    assert before < grown

    watched.cluster.start(with_rungs(workers, one=1))
    watched.cluster.start(with_rungs(workers, one=0))
    # What the cluster is asked now it would have been asked before.
    watched.cluster.start(with_rungs(workers, one=0, two=1))

    assert wait_for(kube, workers, 3, 3, 1)[1] == grown


def test_a_rung_that_is_not_needed_any_more_leaves_nothing(
    kube: FakeKubernetes, watched: Watched
) -> None:
    workers = make()
    watched.cluster.start(with_rungs(workers, one=1, two=1))
    lowest = wait_for(kube, workers, 1, 1, 1)[0]

    watched.cluster.start(with_rungs(workers, two=1))
    watched.cluster.start(with_rungs(workers))

    assert wait_for(kube, workers, 1)[0] == lowest
    eventually(lambda: names_of_jobs(kube) == [workers.job_name], what="one job")
    assert len(kube.store.list("Secret")) == 1


def test_no_kubernetes_job_is_made_for_a_rung_that_needs_no_worker_yet(
    kube: FakeKubernetes, watched: Watched
) -> None:
    workers = make()

    watched.cluster.start(with_rungs(workers, one=0))

    assert names_of_jobs(kube) == [workers.job_name]


def test_scaling_holds_for_each_rung(kube: FakeKubernetes, watched: Watched) -> None:
    workers = make(parallelism=2)
    watched.cluster.start(with_rungs(workers, one=2))
    wait_for(kube, workers, 2, 2)

    watched.cluster.start(with_rungs(replace(workers, parallelism=1), one=1))
    wait_for(kube, workers, 1, 1)
    watched.cluster.start(with_rungs(replace(workers, parallelism=0), one=0))
    wait_for(kube, workers)
    watched.cluster.start(with_rungs(workers, one=1))
    wait_for(kube, workers, 2, 1)


def test_two_that_start_the_same_rung_make_one(
    kube: FakeKubernetes, watched: Watched, api: KubeApi
) -> None:
    other = KubernetesCluster(api, SETTINGS)
    workers = with_rungs(make(), one=1)
    threads = [
        threading.Thread(target=cluster.start, args=(workers,))
        for cluster in (watched.cluster, other)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    watched.cluster.start(workers)

    wait_for(kube, workers, 1, 1)
    assert len(kube.store.list("Job")) == 2
    other.close()


def test_a_rung_whose_start_failed_half_way_is_started_by_the_next_call(
    kube: FakeKubernetes, watched: Watched
) -> None:
    workers = make()
    watched.cluster.start(workers)
    wait_for(kube, workers, 1)
    with (
        kube.failing("create", "secrets", 503, "ServiceUnavailable"),
        pytest.raises(Unavailable),
    ):
        watched.cluster.start(with_rungs(workers, one=1))

    watched.cluster.start(with_rungs(workers, one=1))

    wait_for(kube, workers, 1, 1)


def test_a_stopped_job_loses_its_rungs_too(kube: FakeKubernetes, watched: Watched) -> None:
    workers = with_rungs(make(), one=1, two=1)
    watched.cluster.start(workers)
    wait_for(kube, workers, 1, 1, 1)

    watched.cluster.stop(workers.job_id)

    assert watched.cluster.running_jobs() == set()
    eventually(
        lambda: not any(kube.store.list(kind) for kind in ("Job", "Secret", "Pod")), what="nothing"
    )


def test_a_kubernetes_job_of_a_rung_that_somebody_deleted_is_made_again(
    kube: FakeKubernetes, watched: Watched
) -> None:
    workers = with_rungs(make(), one=1)
    watched.cluster.start(workers)
    lowest, before, _ = wait_for(kube, workers, 1, 1)
    name = kubernetes_name(workers.job_name, 1)

    with kube.client() as client:
        from kubernetes.client import BatchV1Api  # noqa: PLC0415 (as the fake does)

        BatchV1Api(client).delete_namespaced_job(
            name, kube.namespace, propagation_policy="Background"
        )

    def look() -> bool:
        watched.cluster.start(workers)
        pods = {pod["metadata"]["name"] for pod in kube.pods(name, phase="Running")}
        return len(pods) == 1 and pods != before

    eventually(look, what="another pod")
    assert wait_for(kube, workers, 1, 1)[0] == lowest


def test_a_rung_whose_image_can_not_run_fails_the_job_with_the_reason(
    kube: FakeKubernetes, watched: Watched
) -> None:
    workers = make()
    watched.cluster.start(workers)
    wait_for(kube, workers, 1)
    broken = replace(workers, spec={**workers.spec, "job_timeout": 1})
    watched.cluster.start(with_rungs(broken, one=1))

    failed = eventually(watched.cluster.failed_jobs, what="its failure")

    assert failed == {workers.job_id: "its workers with more memory: the job's job_timeout is over"}


def test_it_says_why_workers_of_a_rung_wait(kube: FakeKubernetes, watched: Watched) -> None:
    workers = make()
    huge = replace(workers, rungs=[RungSpec(1, "900Ti", 1)])

    watched.cluster.start(huge)

    [why] = eventually(watched.cluster.waiting_workers, what="why it waits")
    assert (why.job_id, why.reason, why.pod_count) == (workers.job_id, "unschedulable", 1)
    assert "memory" in why.message
    wait_for(kube, workers, 1)


@pytest.mark.parametrize("length", [10, 63])
def test_names_of_kubernetes_jobs_are_labels_and_keep_what_is_random(length: int) -> None:
    random = "-k3x9q0zt1b"
    job_name = ("a-b-" * 20)[: length - len(random)] + random if length > 11 else "w-k3x9q0zt"

    name = kubernetes_name(job_name, 15)

    assert kubernetes_name(job_name) == job_name
    assert len(name) <= 63
    assert name.endswith(f"{job_name[-10:]}-m15")
    assert name[0].isalnum()


def test_a_label_that_somebody_has_spoilt_is_no_rung(
    kube: FakeKubernetes, watched: Watched
) -> None:
    workers = make()
    watched.cluster.start(with_rungs(workers, one=1))
    wait_for(kube, workers, 1, 1)
    with kube.client() as client:
        from kubernetes.client import BatchV1Api  # noqa: PLC0415 (as the fake does)

        BatchV1Api(client).patch_namespaced_job(
            kubernetes_name(workers.job_name, 1),
            kube.namespace,
            {"metadata": {"labels": {RUNG: "first"}}},
        )
    watched.cluster.start(workers)
    assert watched.cluster.running_jobs() == {workers.job_id}


def test_local_workers_of_a_rung_say_which_and_end_with_it(make_cluster: MakeCluster) -> None:
    running = make_cluster(shell('echo "rung ${FALCONERI_RUNG:-0}"; exec sleep 1000'), slots=1)
    workers = make_workers(job_name="words-abc123")
    running.cluster.start(with_rungs(workers, one=0))
    [lowest] = running.wait_for_pods(1)

    running.cluster.start(with_rungs(workers, one=1))

    [other] = running.wait_for_pods(2) - {lowest}
    eventually(lambda: running.file(other, "log").read_text() == "rung 1\n", what="its rung")
    assert running.file(lowest, "log").read_text() == "rung 0\n"
    running.cluster.start(workers)
    assert running.wait_for_pods(1) == {lowest}
    assert running.cluster.running_jobs() == {workers.job_id}
    running.cluster.start(with_rungs(workers, two=1))
    running.wait_for_pods(2)
    running.cluster.stop(workers.job_id)
    assert running.cluster.live_workers() == set()
