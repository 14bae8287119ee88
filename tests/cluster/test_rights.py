"""The deployed Roles allow what falconerid asks of the Kubernetes API, and nothing that it doesn't.

The other half is in `tests/e2e`: there the real processes have these Roles, and a refusal fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from falconeri.cluster.kubernetes import KubernetesCluster, read_secret
from falconeri.cluster.manifest import ManifestSettings
from falconeri.deployment.manifests import load
from falconeri.deployment.render import SERVE, TASKS
from falconeri.errors import Forbidden
from falconeri.kube.api import KubeApi
from tests.cluster.factories import eventually
from tests.cluster.test_kubernetes import make
from tests.kube.cluster import FakeKubernetes
from tests.kube.kinds import kind_named

SETTINGS = ManifestSettings("falconeri:1", None, image_volume=False, environment={})
DOCS = Path(__file__).parents[2] / "docs" / "kubernetes.md"

Right = tuple[str, str]
"""A verb and a resource."""


class Accounts(NamedTuple):
    """A cluster, and the API as each of falconerid's processes has it."""

    kube: FakeKubernetes
    serve: KubeApi
    tasks: KubeApi


@pytest.fixture
def accounts(tmp_path: Path) -> Iterator[Accounts]:
    """Without kubelets: what matters is who asks for what."""
    with FakeKubernetes(tmp_path / "nodes", run=False) as kube:
        admin = KubeApi(kube.client(), kube.namespace)
        for obj in load():
            if obj["kind"] in {"ServiceAccount", "Role", "RoleBinding"}:
                admin.apply(obj)
        kube.store.create(kind_named("Secret"), kube.namespace, {"metadata": {"name": "s3"}})
        clients = (kube.client(kube.token_for(name)) for name in (SERVE, TASKS))
        yield Accounts(kube, *(KubeApi(client, kube.namespace) for client in clients))


def allowed(kube: FakeKubernetes, account: str) -> set[Right]:
    role = kube.store.find("Role", kube.namespace, account)
    assert role is not None
    return {
        (verb, resource)
        for rule in role["rules"]
        for verb in rule["verbs"]
        for resource in rule["resources"]
    }


def used(kube: FakeKubernetes, account: str) -> set[Right]:
    return {(verb, resource) for name, verb, resource in kube.access.used if name == account}


def test_tasks_uses_all_that_it_may_and_asks_for_nothing_else(accounts: Accounts) -> None:
    kube, _, tasks = accounts
    cluster = KubernetesCluster(tasks, SETTINGS)
    workers = make()

    cluster.start(workers)
    cluster.start(replace(workers, parallelism=2))
    cluster.start(replace(make(workers.job_name), parallelism=1))  # finds another one's Job
    assert cluster.failed_jobs()
    eventually(lambda: kube.store.list("Job")[0]["spec"]["parallelism"] == 2, what="its size")
    cluster.waiting_workers()
    cluster.read_secret("s3")
    cluster.stop(workers.job_id)
    cluster.close()

    assert kube.access.refused == []
    assert used(kube, TASKS) == allowed(kube, TASKS)


def test_serve_reads_secrets_and_asks_for_nothing_else(accounts: Accounts) -> None:
    kube, serve, _ = accounts
    read_secret(serve, "s3")
    assert kube.access.refused == []
    assert used(kube, SERVE) == allowed(kube, SERVE) == {("get", "secrets")}


def test_call_without_a_right_is_refused_and_noted(accounts: Accounts) -> None:
    kube, serve, tasks = accounts
    with pytest.raises(Forbidden, match="cannot list resource"):
        serve.list("Job")
    with pytest.raises(Forbidden, match="cannot delete resource"):
        tasks.delete("Secret", "s3")
    assert len(kube.access.refused) == 2
    assert kube.access.used == set()


def test_documentation_lists_these_rights(accounts: Accounts) -> None:
    found: dict[str, set[Right]] = {TASKS: set(), SERVE: set()}
    row = re.compile(r"^\| `(?:batch/)?([a-z]+)` \| ([a-z, ]*) \| ([a-z, ]*?) ?\|$", re.MULTILINE)
    for resource, *cells in row.findall(DOCS.read_text()):
        for account, verbs in zip((TASKS, SERVE), cells, strict=True):
            found[account] |= {(verb, resource) for verb in re.findall("[a-z]+", verbs)}

    assert found == {account: allowed(accounts.kube, account) for account in found}
