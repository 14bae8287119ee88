"""Jobs from the command line to their outputs, through falconerid and a cluster's pods."""

from __future__ import annotations

from typing import Any

import pytest

from falconeri.cluster.manifest import kubernetes_name
from falconeri.errors import InvalidSpec
from falconeri.states import FailureClass
from falconeri.wire.records import Job
from tests.e2e.audit import check_done, failures_of
from tests.e2e.site import Site
from tests.kube.cluster import FakeKubernetes
from tests.kube.waiting import eventually

TEXTS = {"a.txt": "the end of the end\n", "b.txt": "a rose is a rose\n"}
COUNT = (
    'for text in "$pfs"/in/*; do tr -s " " "\\n" < "$text" | sort | uniq -c | sort -rn'
    ' | sed "s/^ *//" > "$pfs/out/$(basename "$text")"; done'
)

HANG_ONCE = (
    'if grep -q rose "$pfs"/in/* && [ "$FALCONERI_ATTEMPT" = 1 ]; then exec sleep 600; fi; '
    'cp "$pfs"/in/* "$pfs/out/"'
)
"""A program that hangs the first time that it sees one of the texts."""


def test_word_frequencies(site: Site) -> None:
    name = site.run(COUNT, TEXTS)

    waited = site.command("job", "wait", name)

    assert (waited.returncode, waited.stdout) == (0, "done\n"), waited.stderr
    outputs = site.outputs(name)
    assert sorted(outputs) == ["a.txt", "b.txt"]
    assert outputs["a.txt"].splitlines()[-1] == "1 of"
    assert set(outputs["b.txt"].splitlines()) == {"2 rose", "2 a", "1 is"}
    site.wait_until_nothing_is_left(name)


def test_a_job_is_scaled_and_canceled(site: Site) -> None:
    name = site.run("exec sleep 600", {f"{n}": "x" for n in range(3)})
    site.wait_for_pods(name, 2)

    site.command("job", "scale", name, "1")
    site.wait_for_pods(name, 1)
    site.command("job", "scale", name, "3")
    site.wait_for_pods(name, 3)
    assert site.command("job", "cancel", name).stdout == "canceled\n"

    site.wait_until_nothing_is_left(name)


def test_what_a_deleted_pod_did_is_done_by_another(site: Site) -> None:
    place = site.place
    job = site.submit(HANG_ONCE, TEXTS, parallelism_spec={"constant": 1}, pipelining=False)
    pod = _hanging(site, job)

    place.apis.core.delete_namespaced_pod(pod, place.namespace, grace_period_seconds=0)

    eventually(lambda: failures_of(site, job), what="a try that failed")
    check_done(site, job, TEXTS, {FailureClass.EVICTED: 1})


def test_a_deleted_kubernetes_job_is_made_again(site: Site) -> None:
    place = site.place
    job = site.submit(HANG_ONCE, TEXTS, parallelism_spec={"constant": 1}, pipelining=False)
    name = job.job_name
    _hanging(site, job)

    place.apis.batch.delete_namespaced_job(name, place.namespace, propagation_policy="Background")

    check_done(site, job, TEXTS, {FailureClass.EVICTED: 1})


def test_a_job_that_the_cluster_refuses_ends_with_the_reason(site: Site) -> None:
    greedy = {"name": "worker", "resources": {"requests": {"memory": "1Ti"}}}
    name = site.run("exit 0", {"a": "x"}, pod_patch={"containers": [greedy]})

    waited = site.command("job", "wait", name)

    assert (waited.returncode, waited.stdout) == (1, "error\n")
    assert "memory limit" in site.command("job", "describe", name).stdout


def test_a_patch_that_goes_nowhere_is_refused_by_its_path_and_makes_no_job(site: Site) -> None:
    before = site.client.list_jobs()
    patch = [{"op": "remove", "path": "/containers/7"}]

    with pytest.raises(InvalidSpec, match=r"pod_patch\[0\]: `remove` '/containers/7'"):
        site.submit("exit 0", {"a": "x"}, pod_patch=patch)

    assert site.client.list_jobs() == before


def test_a_pod_that_ran_out_of_memory_costs_its_datum_a_try(
    site: Site, fake: FakeKubernetes
) -> None:
    name = site.run("exec sleep 600", {"a": "x"}, parallelism_spec={"constant": 1})
    [pod] = site.wait_for_pods(name, 1)
    eventually(lambda: _holder(site, name) == pod, what="a datum that runs")

    fake.run_out_of_memory(pod)

    assert site.command("job", "wait", name).stdout == "error\n"
    assert "OOMKilled" in site.command("job", "datums", name).stdout


def test_a_datum_that_runs_out_of_memory_is_done_by_a_larger_worker(
    site: Site, fake: FakeKubernetes
) -> None:
    # On the first rung it waits for its end.
    script = """
    for text in "$pfs"/in/*; do
      if [ "$(cat "$text")" = large ] && [ "${FALCONERI_RUNG:-0}" != 1 ]; then exec sleep 600; fi
      echo "rung ${FALCONERI_RUNG:-0}" > "$pfs/out/$(basename "$text")"
    done"""
    name = site.run(
        script,
        {"a": "large", "b": "small", "c": "small"},
        parallelism_spec={"constant": 1},
        resource_requests={"memory": {"start": "128Mi", "max": "512Mi"}, "cpu": 0.1},
    )
    [pod] = site.wait_for_pods(name, 1)
    eventually(lambda: _holder(site, name) == pod, what="a datum that runs")

    fake.run_out_of_memory(pod)
    [larger] = site.wait_for_pods(kubernetes_name(name, 1), 1)
    found: Any = site.place.apis.core.read_namespaced_pod(larger, site.place.namespace)
    waited = site.command("job", "wait", name)

    assert (waited.returncode, waited.stdout) == (0, "done\n"), waited.stderr
    assert found.spec.containers[0].resources.limits["memory"] == "256Mi"
    assert site.outputs(name) == {"a": "rung 1\n", "b": "rung 0\n", "c": "rung 0\n"}
    described = site.command("job", "describe", name).stdout
    assert "  256Mi: 0 ready, 0 running, 0 workers\n" in described
    site.wait_until_nothing_is_left(name)


def _hanging(site: Site, job: Job) -> str:
    """The pod that has begun the datum at which the program hangs: all others are done."""
    eventually(lambda: site.client.job_progress(job.id).done == len(TEXTS) - 1, what="the others")
    return eventually(lambda: _holder(site, job.job_name), what="a datum that runs")


def _holder(site: Site, name: str) -> str:
    """The pod that holds a datum of a job, or an empty text."""
    running = site.client.describe_job(site.client.find_job(name).id).running_datums
    return running[0].pod_name or "" if running else ""
