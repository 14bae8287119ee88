"""What `falconeri status` says of an installation that does not work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from falconeri.deployment import install
from falconeri.deployment.options import PRODUCTION, Options
from falconeri.deployment.status import examine
from falconeri.kube.api import KubeApi
from tests.deployment.conftest import NOBODY
from tests.kube.cluster import FakeKubernetes
from tests.kube.kinds import kind_named

PULLED = {
    "name": "falconerid",
    "image": "nowhere/falconeri:1",
    "restartCount": 0,
    "state": {"waiting": {"reason": "ImagePullBackOff", "message": "manifest unknown"}},
}
UNMADE = {
    "name": "falconerid",
    "restartCount": 0,
    "state": {"waiting": {"reason": "CreateContainerConfigError", "message": "no such secret"}},
}
CRASHED = {
    "name": "migrate",
    "restartCount": 4,
    "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
    "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}},
}
STARVED = {
    "name": "falconerid",
    "restartCount": 2,
    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
    "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
}
UNSCHEDULED = {"type": "PodScheduled", "status": "False", "message": "0/2 nodes are available"}


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ({"containerStatuses": [PULLED]}, "nowhere/falconeri:1 can't be had: manifest unknown"),
        ({"containerStatuses": [UNMADE]}, "container falconerid can't be made: no such secret"),
        ({"initContainerStatuses": [CRASHED]}, "the database is not migrated: container migrate"),
        ({"containerStatuses": [STARVED]}, "container falconerid needs more memory"),
        ({"conditions": [UNSCHEDULED]}, "no node takes it: 0/2 nodes are available"),
        ({"phase": "Running"}, "runs, but is not ready"),
    ],
)
def test_status_says_what_a_pod_suffers_from(
    tmp_path: Path, status: dict[str, Any], words: str
) -> None:
    with FakeKubernetes(tmp_path / "cluster", run=False) as kube:
        api = KubeApi(kube.client(), kube.namespace)
        install.deploy(api, PRODUCTION, skip_secrets=False, say=NOBODY)
        pod = {
            "metadata": {"name": "falconerid-1", "labels": {"app": "falconerid"}},
            "spec": {"containers": [{"name": "falconerid", "image": "x"}]},
        }
        kube.store.create(kind_named("Pod"), kube.namespace, pod)
        kube.store.change(
            kind_named("Pod"),
            kube.namespace,
            "falconerid-1",
            lambda obj: {**obj, "status": {"phase": "Pending", **status}},
            subresource="status",
        )

        report = examine(api)

    messages = {problem.subject: problem.message for problem in report.problems}
    assert words in messages["pod/falconerid-1"]
    assert not report.is_well


def test_status_says_what_is_missing(api: KubeApi) -> None:
    install.deploy(api, PRODUCTION, skip_secrets=False, say=NOBODY)
    api.delete("Secret", "falconeri")
    api.delete("Deployment", "falconerid-tasks")

    problems = {problem.subject: problem.message for problem in examine(api).problems}

    assert problems["secret/falconeri"] == "is missing"
    assert problems["falconerid-tasks"] == "is not deployed"


def test_status_of_a_volume_that_nobody_makes(tmp_path: Path) -> None:
    with FakeKubernetes(tmp_path / "cluster", run=False) as kube:
        api = KubeApi(kube.client(), kube.namespace)
        install.deploy(api, Options(storage_class_name="fast"), skip_secrets=False, say=NOBODY)
        kube.store.change(
            kind_named("PersistentVolumeClaim"),
            kube.namespace,
            "falconeri-postgres",
            lambda obj: {**obj, "status": {"phase": "Pending"}},
            subresource="status",
        )

        problems = {problem.subject: problem for problem in examine(api).problems}

    found = problems["persistentvolumeclaim/falconeri-postgres"]
    assert "no volume for it yet" in found.message
    assert "storage class `fast`" in found.hint
