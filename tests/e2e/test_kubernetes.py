"""Jobs from the command line to their outputs, through falconerid and a cluster's pods."""

from __future__ import annotations

from falconeri.states import JobStatus
from tests.e2e.site import Site
from tests.kube.cluster import FakeKubernetes
from tests.kube.waiting import eventually

TEXTS = {"a.txt": "the end of the end\n", "b.txt": "a rose is a rose\n"}
COUNT = (
    'for text in "$pfs"/in/*; do tr -s " " "\\n" < "$text" | sort | uniq -c | sort -rn'
    ' | sed "s/^ *//" > "$pfs/out/$(basename "$text")"; done'
)


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
    name = site.run("exec sleep 600", {"a": "x"}, parallelism_spec={"constant": 1})
    [pod] = site.wait_for_pods(name, 1)
    eventually(lambda: _holder(site, name) == pod, what="a datum that runs")

    place.apis.core.delete_namespaced_pod(pod, place.namespace, grace_period_seconds=0)

    other = eventually(lambda: _other_holder(site, name, pod), what="another worker")
    assert other.startswith(name)
    assert site.client.find_job(name).status is JobStatus.RUNNING
    site.command("job", "cancel", name)
    site.wait_until_nothing_is_left(name)


def test_a_deleted_kubernetes_job_is_made_again(site: Site) -> None:
    place = site.place
    name = site.run("exec sleep 600", {"a": "x"}, parallelism_spec={"constant": 1})
    [pod] = site.wait_for_pods(name, 1)

    place.apis.batch.delete_namespaced_job(name, place.namespace, propagation_policy="Background")

    eventually(lambda: site.pods(name) not in ([], [pod]), what="a new pod")
    site.command("job", "cancel", name)
    site.wait_until_nothing_is_left(name)


def test_a_job_that_the_cluster_refuses_ends_with_the_reason(site: Site) -> None:
    name = site.run("exit 0", {"a": "x"}, pod_patch={"restartPolicy": "Always"})

    waited = site.command("job", "wait", name)

    assert (waited.returncode, waited.stdout) == (1, "error\n")
    assert "restartPolicy" in site.command("job", "describe", name).stdout


def test_a_pod_that_ran_out_of_memory_costs_its_datum_a_try(
    site: Site, fake: FakeKubernetes
) -> None:
    name = site.run("exec sleep 600", {"a": "x"}, parallelism_spec={"constant": 1})
    [pod] = site.wait_for_pods(name, 1)
    eventually(lambda: _holder(site, name) == pod, what="a datum that runs")

    fake.run_out_of_memory(pod)

    assert site.command("job", "wait", name).stdout == "error\n"
    assert "OOMKilled" in site.command("job", "datums", name).stdout


def test_an_evicted_pod_costs_its_datum_nothing(site: Site, fake: FakeKubernetes) -> None:
    name = site.run("exec sleep 600", {"a": "x"}, parallelism_spec={"constant": 1})
    [pod] = site.wait_for_pods(name, 1)
    eventually(lambda: _holder(site, name) == pod, what="a datum that runs")

    fake.evict_pod(pod)

    eventually(lambda: _other_holder(site, name, pod), what="another worker")
    site.command("job", "cancel", name)
    site.wait_until_nothing_is_left(name)


def test_an_api_server_that_is_down_delays_a_job_and_no_more(
    site: Site, fake: FakeKubernetes
) -> None:
    # Its inputs are listed with a secret, so that it must have been submitted before.
    name = site.run("exit 0", {"a": "x"}, parallelism_spec={"constant": 0})
    with fake.outage():
        site.command("job", "scale", name, "2")
        assert site.client.find_job(name).status is JobStatus.RUNNING
    assert site.command("job", "wait", name).stdout == "done\n"
    jobs = [job["metadata"]["name"] for job in fake.store.list("Job")]
    assert jobs.count(name) <= 1
    site.wait_until_nothing_is_left(name)


def _holder(site: Site, name: str) -> str:
    """The pod that holds a datum of a job, or an empty text."""
    running = site.client.describe_job(site.client.find_job(name).id).running_datums
    return running[0].pod_name or "" if running else ""


def _other_holder(site: Site, name: str, pod: str) -> str:
    holder = _holder(site, name)
    return "" if holder == pod else holder
