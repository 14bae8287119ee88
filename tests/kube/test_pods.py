"""The fake's pods: what their processes find, and why they wait or end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.kube.cluster import FakeKubernetes
from tests.kube.volumes import Image
from tests.kube.waiting import Apis, eventually

NS = "default"


def run(apis: Apis, script: str, **spec: Any) -> None:  # noqa: ANN401 - any JSON
    container = {"name": "main", "image": "busybox", "command": ["sh", "-c", script]}
    container |= spec.pop("container", {})
    pod = {
        "metadata": {"name": "p", "labels": {"team": "a"}},
        "spec": {"restartPolicy": "Never", "containers": [container], **spec},
    }
    apis.core.create_namespaced_pod(NS, pod)


def wait_for_phase(apis: Apis, phase: str) -> Any:  # noqa: ANN401 - a pod
    def look() -> Any:  # noqa: ANN401
        pod = apis.core.read_namespaced_pod("p", NS)
        return pod if pod.status.phase == phase else None

    return eventually(look, what=phase)


def wait_for_waiting(apis: Apis) -> tuple[str, str]:
    def look() -> Any:  # noqa: ANN401
        statuses: list[Any] = apis.core.read_namespaced_pod("p", NS).status.container_statuses or []
        return statuses and statuses[0].state.waiting

    state = eventually(look, what="a reason to wait")
    return state.reason, state.message


def reasons(apis: Apis) -> set[str]:
    found = apis.core.list_namespaced_event(NS, field_selector="involvedObject.name=p")
    return {event.reason for event in found.items}


def test_a_container_has_its_variables_volumes_and_image(
    kube: FakeKubernetes, apis: Apis, tmp_path: Path
) -> None:
    apis.core.create_namespaced_secret(NS, {"metadata": {"name": "s"}, "stringData": {"k": "v"}})
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "tool").write_text("a tool")
    kube.add_image("tools:1", Image(files={"/opt/tools": tmp_path / "bundle"}))
    copy = {
        "name": "copy",
        "image": "tools:1",
        "command": ["sh", "-c", "cp /opt/tools/tool /shared/tool"],
        "volumeMounts": [{"name": "shared", "mountPath": "/shared"}],
    }
    container = {
        "env": [
            {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
            {"name": "TEAM", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['team']"}}},
            {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            {"name": "BOTH", "value": "$(POD)/$(KEY)/$(NO)"},
            {
                "name": "MEMORY",
                "valueFrom": {"resourceFieldRef": {"resource": "limits.memory"}},
            },
        ],
        "resources": {"limits": {"memory": "64Mi"}},
        "volumeMounts": [
            {"name": "shared", "mountPath": "/shared"},
            {"name": "secret", "mountPath": "/etc/secrets"},
        ],
    }
    volumes: list[Any] = [
        {"name": "shared", "emptyDir": {}},
        {"name": "secret", "secret": {"secretName": "s"}},
    ]

    run(
        apis,
        "echo $POD $NODE $TEAM $KEY $BOTH $MEMORY; cat /shared/tool /etc/secrets/k",
        container=container,
        volumes=volumes,
        initContainers=[copy],
    )

    pod = wait_for_phase(apis, "Succeeded")
    first, second = apis.core.read_namespaced_pod_log("p", NS).splitlines()
    assert first == f"p {pod.spec.node_name} a v p/v/$(NO) 67108864"
    assert second == "a toolv"


def test_a_pod_waits_for_an_image_and_says_so(kube: FakeKubernetes, apis: Apis) -> None:
    kube.missing_images.add("busybox")
    run(apis, "exit 0")

    reason, message = wait_for_waiting(apis)

    assert reason == "ImagePullBackOff"
    assert "busybox" in message
    assert {"Failed", "BackOff"} <= reasons(apis)
    kube.missing_images.clear()
    wait_for_phase(apis, "Succeeded")


def test_a_pod_waits_for_a_secret_and_says_so(apis: Apis) -> None:
    env = [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]
    run(apis, "exit 0", container={"env": env})

    reason, message = wait_for_waiting(apis)

    assert (reason, message) == ("CreateContainerConfigError", 'secret "s" not found')
    apis.core.create_namespaced_secret(NS, {"metadata": {"name": "s"}, "stringData": {"k": "v"}})
    wait_for_phase(apis, "Succeeded")


def test_a_pod_that_fits_nowhere_waits_and_says_why(kube: FakeKubernetes, apis: Apis) -> None:
    run(apis, "exit 0", nodeSelector={"gpu": "yes"}, container={"resources": {}})

    def look() -> Any:  # noqa: ANN401
        conditions: list[Any] = apis.core.read_namespaced_pod("p", NS).status.conditions or []
        return next((c for c in conditions if c.type == "PodScheduled"), None)

    condition = eventually(look, what="a condition")
    assert (condition.status, condition.reason) == ("False", "Unschedulable")
    assert condition.message.startswith("0/2 nodes are available: 2 node(s) didn't match")
    assert "FailedScheduling" in reasons(apis)
    kube.add_node("gpu", labels={"gpu": "yes"})
    assert wait_for_phase(apis, "Succeeded").spec.node_name == "gpu"


def test_a_deleted_pod_gets_sigterm_and_time_to_end(apis: Apis) -> None:
    run(apis, "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.02; done")
    eventually(lambda: apis.core.read_namespaced_pod_log("p", NS) == "up\n", what="its log")

    deleted = apis.core.delete_namespaced_pod("p", NS)

    assert deleted.metadata.deletion_grace_period_seconds == 30
    eventually(lambda: not apis.core.list_namespaced_pod(NS).items, what="no pod")


def test_a_pod_that_ignores_sigterm_is_killed_when_its_grace_is_over(apis: Apis) -> None:
    run(apis, "trap '' TERM; echo up; while :; do sleep 0.02; done")
    eventually(lambda: apis.core.read_namespaced_pod_log("p", NS) == "up\n", what="its log")
    apis.core.delete_namespaced_pod("p", NS, grace_period_seconds=1)
    eventually(lambda: not apis.core.list_namespaced_pod(NS).items, what="no pod")


def test_pods_of_a_lost_node_are_failed_and_collected(kube: FakeKubernetes, apis: Apis) -> None:
    run(apis, "exec sleep 1000")
    node = wait_for_phase(apis, "Running").spec.node_name
    kube.lose_node(node)
    assert apis.core.list_namespaced_pod(NS).items == []


def test_pods_go_on_while_the_api_server_is_down(kube: FakeKubernetes, apis: Apis) -> None:
    run(apis, "sleep 0.2; echo done")
    wait_for_phase(apis, "Running")
    with kube.outage():
        eventually(lambda: kube.log_of("p") == "done\n", what="its log")
    wait_for_phase(apis, "Succeeded")
