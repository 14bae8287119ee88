"""The fake's refusals by who asks: tokens and stored Roles, by the official client."""

from __future__ import annotations

from kubernetes import client

from tests.kube.cluster import FakeKubernetes
from tests.kube.waiting import Apis, make_job, refusal

NS = "default"
CORE = ""


def bind(apis: Apis, name: str, *rules: dict[str, list[str]]) -> None:
    apis.rbac.create_namespaced_role(NS, {"metadata": {"name": name}, "rules": list(rules)})
    apis.rbac.create_namespaced_role_binding(
        NS,
        {
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name}],
        },
    )


def test_nobody_without_a_token_is_let_in(stored: FakeKubernetes) -> None:
    api = client.CoreV1Api(stored.client("wrong"))
    assert refusal(lambda: api.list_namespaced_pod(NS))[0] == 401


def test_an_account_may_do_what_its_roles_say_and_nothing_else(
    stored: FakeKubernetes, stored_apis: Apis
) -> None:
    bind(
        stored_apis,
        "worker",
        {"apiGroups": [CORE], "resources": ["pods", "pods/log"], "verbs": ["get", "list"]},
        {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create"]},
        {"apiGroups": [CORE], "resources": ["secrets"], "verbs": ["get"], "resourceNames": ["s"]},
    )
    with stored.client(stored.token_for("worker")) as api:
        own = Apis.of(api)
        core, batch = own.core, own.batch
        assert core.list_namespaced_pod(NS).items == []
        batch.create_namespaced_job(NS, make_job())
        code, text = refusal(lambda: batch.list_namespaced_job(NS))
        assert code == 403
        assert "cannot list resource" in text
        assert refusal(lambda: core.list_namespaced_pod("kube-system"))[0] == 403
        assert refusal(lambda: core.read_namespaced_secret("s", NS))[0] == 404
        assert refusal(lambda: core.read_namespaced_secret("t", NS))[0] == 403


def test_an_account_without_roles_may_do_nothing(stored: FakeKubernetes) -> None:
    api = client.CoreV1Api(stored.client(stored.token_for("stranger")))
    assert refusal(lambda: api.list_namespaced_pod(NS))[0] == 403


def test_a_test_may_forbid_something_to_all(stored: FakeKubernetes, stored_apis: Apis) -> None:
    stored.forbid("create", "jobs")
    assert refusal(lambda: stored_apis.batch.create_namespaced_job(NS, make_job()))[0] == 403
    assert stored_apis.batch.list_namespaced_job(NS).items == []
