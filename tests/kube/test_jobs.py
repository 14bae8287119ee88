"""The fake's Jobs: how many pods they have, and how they end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.kube.cluster import FakeKubernetes
from tests.kube.waiting import Apis, eventually, make_job

NS = "default"


def wait_for_pods(kube: FakeKubernetes, count: int, *, phase: str = "Running") -> list[str]:
    """The names of the pods in a phase, when there are so many."""

    def look() -> list[str]:
        pods = [
            p for p in kube.pods("words", phase=phase) if "deletionTimestamp" not in p["metadata"]
        ]
        return [p["metadata"]["name"] for p in pods] if len(pods) == count else []

    return eventually(look, what=f"{count} pods that are {phase}")


def wait_for_condition(apis: Apis, type_: str) -> Any:  # noqa: ANN401 - a condition
    def look() -> Any:  # noqa: ANN401
        conditions: list[Any] = apis.batch.read_namespaced_job("words", NS).status.conditions or []
        return next((c for c in conditions if c.type == type_), None)

    return eventually(look, what=type_)


def events_of(apis: Apis, name: str) -> list[str]:
    found = apis.core.list_namespaced_event(NS, field_selector=f"involvedObject.name={name}")
    return [event.reason for event in found.items]


def test_a_job_is_complete_when_a_pod_succeeded_and_the_others_have_ended(
    kube: FakeKubernetes, apis: Apis, tmp_path: Path
) -> None:
    door = tmp_path / "door"
    script = f"until [ -e {door} ]; do sleep 0.05; done; echo done"
    apis.batch.create_namespaced_job(NS, make_job(script=script, parallelism=2))
    pods = wait_for_pods(kube, 2)
    status = apis.batch.read_namespaced_job("words", NS).status
    assert (status.active, status.succeeded) == (2, None)

    door.touch()

    assert wait_for_condition(apis, "Complete").status == "True"
    status = apis.batch.read_namespaced_job("words", NS).status
    assert (status.succeeded, status.active) == (2, 0)
    assert apis.core.read_namespaced_pod_log(pods[0], NS) == "done\n"
    assert len(kube.pods("words")) == 2


def test_a_failed_pod_is_replaced_until_there_were_too_many(
    kube: FakeKubernetes, apis: Apis
) -> None:
    apis.batch.create_namespaced_job(NS, make_job(script="exit 3", backoffLimit=1))

    condition = wait_for_condition(apis, "Failed")

    assert condition.reason == "BackoffLimitExceeded"
    assert len(wait_for_pods(kube, 2, phase="Failed")) == 2
    ended = kube.pods("words")[0]["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (3, "Error")
    assert "BackoffLimitExceeded" in events_of(apis, "words")


def test_disruptions_do_not_count_if_the_policy_says_so(kube: FakeKubernetes, apis: Apis) -> None:
    ignore = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}
    fail = {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}
    job = make_job(
        script="exec sleep 1000", backoffLimit=0, podFailurePolicy={"rules": [ignore, fail]}
    )
    apis.batch.create_namespaced_job(NS, job)

    [first] = wait_for_pods(kube, 1)
    kube.evict_pod(first)
    eventually(lambda: wait_for_pods(kube, 1) != [first], what="another pod")
    status = apis.core.read_namespaced_pod(first, NS).status
    assert (status.phase, status.reason) == ("Failed", "Evicted")
    assert ("DisruptionTarget", "TerminationByKubelet") in [
        (c.type, c.reason) for c in status.conditions
    ]
    assert not apis.batch.read_namespaced_job("words", NS).status.failed

    [second] = wait_for_pods(kube, 1)
    kube.exit_pod(second, 42)
    assert wait_for_condition(apis, "Failed").reason == "PodFailurePolicy"


def test_what_ran_out_of_memory_says_so(kube: FakeKubernetes, apis: Apis) -> None:
    apis.batch.create_namespaced_job(NS, make_job(script="exec sleep 1000", backoffLimit=0))
    [pod] = wait_for_pods(kube, 1)

    kube.run_out_of_memory(pod)

    wait_for_condition(apis, "Failed")
    state = apis.core.read_namespaced_pod(pod, NS).status.container_statuses[0].state
    assert (state.terminated.reason, state.terminated.exit_code) == ("OOMKilled", 137)


def test_a_job_past_its_deadline_fails_and_its_pods_go(kube: FakeKubernetes, apis: Apis) -> None:
    job = make_job(script="exec sleep 1000", activeDeadlineSeconds=3600)
    apis.batch.create_namespaced_job(NS, job)
    wait_for_pods(kube, 1)

    kube.exceed_deadline("words")

    assert wait_for_condition(apis, "Failed").reason == "DeadlineExceeded"
    eventually(lambda: not kube.pods("words"), what="no pods")


def test_a_suspended_job_has_no_pods_and_a_smaller_one_fewer(
    kube: FakeKubernetes, apis: Apis
) -> None:
    apis.batch.create_namespaced_job(NS, make_job(script="exec sleep 1000", parallelism=3))
    wait_for_pods(kube, 3)

    apis.batch.patch_namespaced_job("words", NS, {"spec": {"parallelism": 1}})
    [left] = wait_for_pods(kube, 1)
    apis.batch.patch_namespaced_job("words", NS, {"spec": {"suspend": True}})
    eventually(lambda: not kube.pods("words"), what="no pods")
    assert wait_for_condition(apis, "Suspended").status == "True"
    apis.batch.patch_namespaced_job("words", NS, {"spec": {"suspend": False}})
    assert wait_for_pods(kube, 1) != [left]


def test_a_deleted_job_takes_its_pods_along_unless_they_are_to_stay(
    kube: FakeKubernetes, apis: Apis
) -> None:
    for policy, stays in (("Background", False), ("Foreground", False), (None, True)):
        apis.batch.create_namespaced_job(NS, make_job(script="exec sleep 1000"))
        [pod] = wait_for_pods(kube, 1)
        options = {"propagation_policy": policy} if policy else {}
        apis.batch.delete_namespaced_job("words", NS, **options)
        eventually(lambda: not kube.store.list("Job"), what=f"no job ({policy})")
        if stays:
            found = apis.core.read_namespaced_pod(pod, NS)
            assert not found.metadata.owner_references
        else:
            eventually(lambda: not kube.pods("words"), what=f"no pods ({policy})")


def test_what_a_job_owns_goes_with_it(kube: FakeKubernetes, apis: Apis) -> None:
    job = apis.batch.create_namespaced_job(NS, make_job(script="exec sleep 1000"))
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "words", "uid": job.metadata.uid}
    secret = {"metadata": {"name": "token", "ownerReferences": [owner]}}
    apis.core.create_namespaced_secret(NS, secret)

    apis.batch.delete_namespaced_job("words", NS, propagation_policy="Background")

    eventually(lambda: not kube.store.list("Secret"), what="no secret")


def test_an_ended_job_goes_when_its_time_is_over(kube: FakeKubernetes, apis: Apis) -> None:
    apis.batch.create_namespaced_job(NS, make_job(ttlSecondsAfterFinished=0))
    eventually(lambda: kube.store.list("Job"), what="a job")
    eventually(lambda: not kube.store.list("Job") and not kube.store.list("Pod"), what="nothing")


def test_a_quota_keeps_pods_from_being_made(kube: FakeKubernetes, apis: Apis) -> None:
    kube.quota = "pods, requested: pods=1, used: pods=10, limited: pods=10"
    apis.batch.create_namespaced_job(NS, make_job(script="exec sleep 1000"))
    eventually(lambda: "FailedCreate" in events_of(apis, "words"), what="an event")
    assert kube.pods("words") == []
    kube.quota = None
    apis.core.create_namespaced_config_map(NS, {"metadata": {"name": "wake-up"}})
    wait_for_pods(kube, 1)
