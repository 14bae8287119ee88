"""Server-side apply and the other patches on the fake, by the official client."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kube.waiting import Apis, make_job, refusal

NS = "default"
APPLY = "application/apply-patch+yaml"


@pytest.fixture
def apis(stored_apis: Apis) -> Apis:
    return stored_apis


def apply(
    apis: Apis, data: dict[str, str], *, manager: str = "falconeri", **options: object
) -> dict[str, str]:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data}
    answer = apis.core.patch_namespaced_config_map(
        "a", NS, body, field_manager=manager, _content_type=APPLY, **options
    )
    kept: dict[str, str] = answer.data or {}
    return kept


def test_applying_creates_then_changes_and_takes_back_what_is_left_out(apis: Apis) -> None:
    assert apply(apis, {"x": "1", "y": "2"}) == {"x": "1", "y": "2"}
    assert apply(apis, {"x": "3"}) == {"x": "3"}


def test_applying_the_same_again_makes_no_new_version(apis: Apis) -> None:
    apply(apis, {"x": "1"})
    before = apis.core.read_namespaced_config_map("a", NS).metadata.resource_version
    apply(apis, {"x": "1"})
    assert apis.core.read_namespaced_config_map("a", NS).metadata.resource_version == before


def test_what_others_have_set_is_a_conflict_unless_forced(apis: Apis) -> None:
    apply(apis, {"x": "1"})

    code, text = refusal(lambda: apply(apis, {"x": "2"}, manager="somebody"))
    assert code == 409
    assert "FieldManagerConflict" in text
    assert ".data.x" in text
    assert apply(apis, {"x": "2"}, manager="somebody", force=True) == {"x": "2"}
    assert refusal(lambda: apply(apis, {"x": "1"}))[0] == 409


def test_what_others_have_added_stays(apis: Apis) -> None:
    apply(apis, {"x": "1"})
    apis.core.patch_namespaced_config_map("a", NS, {"data": {"theirs": "1"}})
    assert apply(apis, {"y": "1"}) == {"theirs": "1", "y": "1"}


def test_a_field_that_two_have_applied_stays_until_both_leave_it_out(apis: Apis) -> None:
    apply(apis, {"x": "1"})
    apply(apis, {"x": "1"}, manager="somebody")
    assert apply(apis, {}) == {"x": "1"}
    assert apply(apis, {}, manager="somebody") == {}


def test_containers_are_told_apart_by_name(apis: Apis) -> None:
    def applied(manager: str, *containers: dict[str, Any]) -> list[tuple[str, str]]:
        body = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "d"},
            "spec": {
                "selector": {"matchLabels": {"app": "d"}},
                "template": {
                    "metadata": {"labels": {"app": "d"}},
                    "spec": {"containers": list(containers)},
                },
            },
        }
        answer = apis.apps.patch_namespaced_deployment(
            "d", NS, body, field_manager=manager, _content_type=APPLY
        )
        return [(c.name, c.image) for c in answer.spec.template.spec.containers]

    applied("one", {"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"})
    assert applied("two", {"name": "c", "image": "c:1"}) == [
        ("a", "a:1"),
        ("b", "b:1"),
        ("c", "c:1"),
    ]
    assert applied("one", {"name": "b", "image": "b:2"}) == [("b", "b:2"), ("c", "c:1")]


def test_an_unknown_field_or_a_nameless_manager_is_refused(apis: Apis) -> None:
    body: dict[str, Any] = make_job()
    patch = apis.batch.patch_namespaced_job
    assert refusal(lambda: patch("words", NS, body, _content_type=APPLY))[0] == 422
    body["spec"]["retries"] = 3
    code, text = refusal(lambda: patch("words", NS, body, field_manager="f", _content_type=APPLY))
    assert code == 500
    assert ".spec.retries" in text


def test_each_kind_of_patch_treats_lists_in_its_way(apis: Apis) -> None:
    kinds: dict[str, Any] = {
        "application/merge-patch+json": {"metadata": {"labels": {"a": None, "c": "3"}}},
        "application/strategic-merge-patch+json": {"metadata": {"labels": {"a": None, "c": "3"}}},
        "application/json-patch+json": [
            {"op": "test", "path": "/metadata/labels/a", "value": "1"},
            {"op": "remove", "path": "/metadata/labels/a"},
            {"op": "add", "path": "/metadata/labels/c", "value": "3"},
        ],
    }
    for kind, patch in kinds.items():
        made = {"metadata": {"generateName": "m-", "labels": {"a": "1", "b": "2"}}}
        name = apis.core.create_namespaced_config_map(NS, made).metadata.name
        changed = apis.core.patch_namespaced_config_map(name, NS, patch, _content_type=kind)
        assert changed.metadata.labels == {"b": "2", "c": "3"}, kind


def test_a_json_patch_whose_test_fails_changes_nothing(apis: Apis) -> None:
    apply(apis, {"x": "1"})
    patch = [
        {"op": "replace", "path": "/data/x", "value": "2"},
        {"op": "test", "path": "/data/x", "value": "1"},
    ]
    code, _ = refusal(lambda: apis.core.patch_namespaced_config_map("a", NS, patch))
    assert code == 422
    assert apis.core.read_namespaced_config_map("a", NS).data == {"x": "1"}
