"""Why pods wait, in words, from what the API of a real cluster says of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from falconeri.cluster.waits import may_wait, why_job_waits, why_pod_waits

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
EARLIER, JUST_NOW = "2026-01-01T11:50:00Z", "2026-01-01T11:59:50Z"

Json = dict[str, Any]


def make_pod(*waiting: Json, uid: str = "p", phase: str = "Pending", since: str = EARLIER) -> Json:
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": since}
    states = [{"name": "worker", "state": {"waiting": state}} for state in waiting]
    status = {"phase": phase, "conditions": [scheduled], "containerStatuses": states}
    return {"metadata": {"name": f"words-{uid}", "uid": uid}, "status": status}


def unscheduled(uid: str, message: str, reason: str = "Unschedulable") -> Json:
    pod = make_pod(uid=uid)
    pod["status"]["conditions"][0] |= {"status": "False", "reason": reason, "message": message}
    return pod


def make_event(uid: str, reason: str, message: str = "", at: str = EARLIER) -> Json:
    about = {"uid": uid}
    return {"involvedObject": about, "reason": reason, "message": message, "lastTimestamp": at}


def make_job(spec: Json | None = None, status: Json | None = None) -> Json:
    spec = {"parallelism": 2} | (spec or {})
    return {"metadata": {"name": "words", "uid": "j"}, "spec": spec, "status": status or {}}


def refused(pod: str, used: int, at: str = EARLIER) -> Json:
    quota = f"exceeded quota: small, requested: pods=1, used: pods={used}, limited: pods=3"
    message = f'Error creating: pods "{pod}" is forbidden: {quota}'
    return make_event("j", "FailedCreate", message, at)


def test_unschedulable_pods_are_counted_by_what_no_node_has() -> None:
    nodes = "0/3 nodes are available: 3 Insufficient memory."
    pods = [
        unscheduled("a", f"{nodes} preemption: 0/3 nodes are available: 1 No victims found."),
        unscheduled("b", nodes),
    ]
    assert why_job_waits(make_job(), pods, [], now=NOW) == {
        ("unschedulable", f"no node takes it: {nodes}"): 2
    }


def test_scheduling_gate_is_said() -> None:
    pod = unscheduled("a", "", "SchedulingGated")
    assert why_pod_waits(pod, [], now=NOW) == (
        "unschedulable",
        "a scheduling gate holds it back",
    )


@pytest.mark.parametrize(
    ("reason", "word", "words"),
    [
        ("ImagePullBackOff", "image", "its image can't be pulled"),
        ("CreateContainerConfigError", "configuration", "its container can't be made"),
    ],
)
def test_image_or_secret_that_is_missing_is_said_at_once(
    reason: str, word: str, words: str
) -> None:
    pod = make_pod({"reason": reason, "message": "not\nfound"}, since=JUST_NOW)
    assert why_pod_waits(pod, [], now=NOW) == (word, f"{words} ({reason}): not found")


def test_init_container_that_waits_for_its_image_is_found() -> None:
    pod = make_pod({"reason": "PodInitializing"}, since=JUST_NOW)
    state = {"waiting": {"reason": "ErrImagePull"}}
    pod["status"]["initContainerStatuses"] = [{"name": "bundle", "state": state}]
    assert why_pod_waits(pod, [], now=NOW) == (
        "image",
        "its image can't be pulled (ErrImagePull)",
    )


def test_pod_that_is_being_made_waits_only_once_that_takes_long() -> None:
    creating = {"reason": "ContainerCreating"}
    assert why_pod_waits(make_pod(creating, since=JUST_NOW), [], now=NOW) is None
    slow = why_pod_waits(make_pod(creating), [], now=NOW)
    assert slow == ("start", "its node takes long to pull an image or to mount a volume")


def test_volume_that_cannot_be_mounted_is_said_by_its_newest_event() -> None:
    events = [
        make_event("p", "FailedMount", "new", JUST_NOW),
        make_event("p", "FailedMount", "old"),
        make_event("other", "FailedMount", "of another pod", JUST_NOW),
    ]
    pods = [make_pod({"reason": "ContainerCreating"})]
    reasons = why_job_waits(make_job(status={"active": 2}), pods, events, now=NOW)
    assert reasons == {("volume", "its node can't prepare it (FailedMount): new"): 1}


@pytest.mark.parametrize("phase", ["Running", "Succeeded", "Failed"])
def test_pod_that_works_or_has_ended_does_not_wait(phase: str) -> None:
    pod = make_pod({"reason": "ImagePullBackOff"}, phase=phase)
    assert why_pod_waits(pod, [], now=NOW) is None


def test_pod_that_is_being_deleted_does_not_wait() -> None:
    pod = make_pod({"reason": "ImagePullBackOff"})
    pod["metadata"]["deletionTimestamp"] = EARLIER
    assert why_pod_waits(pod, [], now=NOW) is None


def test_quota_reads_the_same_whichever_pod_was_refused_and_whatever_is_used() -> None:
    first = why_job_waits(make_job(), [], [refused("words-x1", 3)], now=NOW)
    second = why_job_waits(make_job(), [], [refused("words-y2", 4)], now=NOW)
    quota = "exceeded quota: small, requested: pods=1, limited: pods=3"
    assert first == second == {("quota", f"the cluster refuses more pods: {quota}"): 1}


def test_refusal_is_over_when_a_pod_was_made_since() -> None:
    made = make_event("j", "SuccessfulCreate", "Created pod: words-z3", JUST_NOW)
    assert why_job_waits(make_job(), [], [made, refused("words-x1", 3)], now=NOW) == {}
    again = [refused("words-x1", 3, JUST_NOW), make_event("j", "SuccessfulCreate")]
    assert len(why_job_waits(make_job(), [], again, now=NOW)) == 1


@pytest.mark.parametrize(
    ("spec", "status"), [({"suspend": True}, {}), ({}, {"succeeded": 1}), ({}, {"active": 2})]
)
def test_job_that_wants_no_more_pods_is_not_refused_any(spec: Json, status: Json) -> None:
    job = make_job(spec, status)
    assert why_job_waits(job, [], [refused("words-x1", 3)], now=NOW) == {}
    assert not may_wait(job, [make_pod(phase="Running")])
    assert may_wait(job, [make_pod()])
    assert may_wait(make_job(), [])
