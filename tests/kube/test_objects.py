"""The fake stores, selects and refuses as the API server does: seen by the official client."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kube.cluster import FakeKubernetes
from tests.kube.waiting import Apis, make_job, post, refusal

NS = "default"
JOBS = "/apis/batch/v1/namespaces/default/jobs"


@pytest.fixture
def apis(stored_apis: Apis) -> Apis:
    return stored_apis


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": {"app": name}}, "data": data}


def test_a_new_object_gets_an_identity_and_a_version(apis: Apis) -> None:
    made = apis.core.create_namespaced_config_map(NS, config_map("a", x="1"))

    assert made.metadata.uid
    assert made.metadata.creation_timestamp
    assert made.metadata.generation == 1
    read = apis.core.read_namespaced_config_map("a", NS)
    assert read.metadata.resource_version == made.metadata.resource_version
    assert read.data == {"x": "1"}


def test_names_are_unique_within_a_namespace_and_made_up_when_asked(apis: Apis) -> None:
    apis.core.create_namespaced_config_map(NS, config_map("a"))

    code, text = refusal(lambda: apis.core.create_namespaced_config_map(NS, config_map("a")))
    assert code == 409
    assert "AlreadyExists" in text
    apis.core.create_namespaced_config_map("kube-system", config_map("a"))
    made = apis.core.create_namespaced_config_map(NS, {"metadata": {"generateName": "b-"}})
    assert made.metadata.name.startswith("b-")
    assert len(made.metadata.name) == 7


def test_what_does_not_exist_is_not_found(apis: Apis) -> None:
    assert refusal(lambda: apis.core.read_namespaced_secret("no", NS))[0] == 404
    assert refusal(lambda: apis.core.delete_namespaced_secret("no", NS))[0] == 404
    assert refusal(lambda: apis.core.create_namespaced_secret("no", config_map("a")))[0] == 404


@pytest.mark.parametrize(
    ("job", "complaint"),
    [
        (make_job("Words"), "metadata.name"),
        (make_job(parallelism=-1), "parallelism"),
        (make_job(activeDeadlineSeconds=0), "activeDeadlineSeconds"),
        (make_job(template={}), "containers"),
    ],
)
def test_an_invalid_job_is_refused(apis: Apis, job: dict[str, Any], complaint: str) -> None:
    code, text = post(apis.batch, JOBS, job)
    assert code == 422
    assert complaint in text


IMPOSSIBLE_PODS: list[tuple[dict[str, Any], str]] = [
    ({"restartPolicy": "Always"}, "restartPolicy"),
    ({"volumes": [{"name": "a", "emptyDir": {}}, {"name": "a", "emptyDir": {}}]}, "Duplicate"),
    ({"volumes": [{"name": "a_b", "emptyDir": {}}]}, "Invalid value"),
]


@pytest.mark.parametrize(("change", "complaint"), IMPOSSIBLE_PODS)
def test_a_job_with_an_impossible_pod_is_refused(
    apis: Apis, change: dict[str, Any], complaint: str
) -> None:
    job = make_job()
    job["spec"]["template"]["spec"] |= change
    code, text = refusal(lambda: apis.batch.create_namespaced_job(NS, job))
    assert code == 422
    assert complaint in text


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"volumeMounts": [{"name": "no", "mountPath": "/a"}]}, "Not found"),
        ({"resources": {"requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}}}, "limit"),
        ({"resources": {"requests": {"memory": "lots"}}}, "memory"),
        ({"env": [{"name": "A=B", "value": "c"}]}, "env.name"),
    ],
)
def test_a_job_with_an_impossible_container_is_refused(
    apis: Apis, change: dict[str, Any], complaint: str
) -> None:
    job = make_job()
    job["spec"]["template"]["spec"]["containers"][0] |= change
    code, text = refusal(lambda: apis.batch.create_namespaced_job(NS, job))
    assert code == 422
    assert complaint in text


def test_a_value_of_a_wrong_type_is_refused_and_an_unknown_field_if_asked(apis: Apis) -> None:
    job = make_job()
    job["spec"]["backoffLimit"] = "six"
    assert post(apis.batch, JOBS, job)[0] == 400

    job["spec"] |= {"backoffLimit": 6, "retries": 3}
    code, text = post(apis.batch, f"{JOBS}?fieldValidation=Strict", job)
    assert code == 400
    assert "spec.retries" in text
    assert post(apis.batch, JOBS, job)[0] == 201
    assert "retries" not in str(apis.batch.read_namespaced_job("words", NS).spec)


def test_secrets_are_kept_in_base64_and_may_be_written_plainly(apis: Apis) -> None:
    apis.core.create_namespaced_secret(NS, {"metadata": {"name": "s"}, "stringData": {"k": "v"}})

    read = apis.core.read_namespaced_secret("s", NS)
    assert read.data == {"k": "dg=="}
    assert read.string_data is None
    assert read.type == "Opaque"
    wrong = {"metadata": {"name": "t"}, "data": {"k": "%"}}
    assert refusal(lambda: apis.core.create_namespaced_secret(NS, wrong))[0] == 422


def test_a_dry_run_says_what_would_be_and_changes_nothing(apis: Apis) -> None:
    made = apis.batch.create_namespaced_job(NS, make_job(), dry_run="All")
    assert made.spec.backoff_limit == 6
    assert apis.batch.list_namespaced_job(NS).items == []

    apis.batch.create_namespaced_job(NS, make_job())
    apis.batch.patch_namespaced_job("words", NS, {"spec": {"parallelism": 9}}, dry_run="All")
    apis.batch.delete_namespaced_job("words", NS, dry_run="All")
    assert apis.batch.read_namespaced_job("words", NS).spec.parallelism == 1


def test_an_update_of_an_old_version_is_a_conflict(apis: Apis) -> None:
    old = apis.core.create_namespaced_config_map(NS, config_map("a", x="1"))
    apis.core.patch_namespaced_config_map("a", NS, {"data": {"x": "2"}})

    code, text = refusal(lambda: apis.core.replace_namespaced_config_map("a", NS, old))
    assert code == 409
    assert "the object has been modified" in text
    current = apis.core.read_namespaced_config_map("a", NS)
    current.data = {"y": "3"}
    assert apis.core.replace_namespaced_config_map("a", NS, current).data == {"y": "3"}


def test_a_change_that_changes_nothing_makes_no_version(apis: Apis) -> None:
    made = apis.core.create_namespaced_config_map(NS, config_map("a", x="1"))
    same = apis.core.patch_namespaced_config_map("a", NS, {"data": {"x": "1"}})
    assert same.metadata.resource_version == made.metadata.resource_version


def test_the_spec_of_a_running_job_is_fixed_but_for_its_size(apis: Apis) -> None:
    apis.batch.create_namespaced_job(NS, make_job())
    patch = apis.batch.patch_namespaced_job

    changed = patch("words", NS, {"spec": {"parallelism": 4, "suspend": True}})
    assert changed.metadata.generation == 2
    template = {"spec": {"template": {"spec": {"priorityClassName": "high"}}}}
    patch("words", NS, template)
    patch("words", NS, {"spec": {"suspend": False}})
    template = {"spec": {"template": {"spec": {"priorityClassName": "low"}}}}
    assert refusal(lambda: patch("words", NS, template))[0] == 422
    assert refusal(lambda: patch("words", NS, {"spec": {"completions": 3}}))[0] == 422


def test_the_status_has_its_own_door(apis: Apis) -> None:
    apis.batch.create_namespaced_job(NS, make_job())

    apis.batch.patch_namespaced_job("words", NS, {"status": {"failed": 3}})
    assert apis.batch.read_namespaced_job("words", NS).status.failed is None
    both = {"status": {"failed": 3}, "spec": {"parallelism": 7}}
    apis.batch.patch_namespaced_job_status("words", NS, both)
    job = apis.batch.read_namespaced_job("words", NS)
    assert (job.status.failed, job.spec.parallelism) == (3, 1)


def test_labels_and_fields_select(apis: Apis) -> None:
    for name in ("a", "b", "c"):
        apis.core.create_namespaced_config_map(NS, config_map(name))

    def names(**selectors: str) -> list[str]:
        return [
            i.metadata.name for i in apis.core.list_namespaced_config_map(NS, **selectors).items
        ]

    assert names() == ["a", "b", "c"]
    assert names(label_selector="app=a") == ["a"]
    assert names(label_selector="app!=a") == ["b", "c"]
    assert names(label_selector="app in (a, b),app notin (b)") == ["a"]
    assert names(label_selector="app,!other") == ["a", "b", "c"]
    assert names(label_selector="!app") == []
    assert names(field_selector="metadata.name!=b") == ["a", "c"]
    assert refusal(lambda: names(field_selector="data.x=1"))[0] == 400
    assert refusal(lambda: names(label_selector="app===a"))[0] == 400


def test_long_lists_come_in_pages(apis: Apis, stored: FakeKubernetes) -> None:
    for name in "abcde":
        apis.core.create_namespaced_config_map(NS, config_map(name))
    first = apis.core.list_namespaced_config_map(NS, limit=2)
    assert first.metadata.remaining_item_count == 3
    token = first.metadata._continue

    second = apis.core.list_namespaced_config_map(NS, limit=3, _continue=token)

    assert [i.metadata.name for i in first.items + second.items] == list("abcde")
    assert second.metadata._continue is None
    stored.forget_the_past()
    apis.core.create_namespaced_config_map(NS, config_map("f"))
    stored.forget_the_past()
    late = apis.core.list_namespaced_config_map
    assert refusal(lambda: late(NS, limit=2, _continue=token))[0] == 410


def test_what_the_server_cannot_read_is_a_bad_request(apis: Apis) -> None:
    assert post(apis.core, "/api/v1/namespaces/default/configmaps", [])[0] == 400
    assert post(apis.core, "/api/v1/namespaces/default/nonsense", {})[0] == 404
    assert post(apis.core, JOBS, {"kind": "Pod"})[0] == 400


def test_a_faulty_server_says_so(apis: Apis, stored: FakeKubernetes) -> None:
    with stored.failing("list", "jobs", 503, "ServiceUnavailable") as failed:
        assert refusal(lambda: apis.batch.list_namespaced_job(NS))[0] == 503
        assert apis.core.list_namespaced_pod(NS).items == []
    assert [request.verb for request in failed] == ["list"]
    assert apis.batch.list_namespaced_job(NS).items == []
