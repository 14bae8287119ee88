"""The Kubernetes Job that a spec becomes."""

from __future__ import annotations

import json
import re
from typing import Any
from uuid import uuid4

import pytest

from falconeri.cluster.base import WorkersSpec
from falconeri.cluster.manifest import ManifestSettings, check_patch, job_manifest, token_secret
from falconeri.errors import InvalidSpec
from falconeri.wire.codec import encode
from falconeri.wire.spec import parse_spec, stored_form
from tests.deployment.credentials import credentials_of
from tests.deployment.schemas import VERSIONS, errors_of
from tests.kube import rules, schema
from tests.kube.kinds import kind_named

SETTINGS = ManifestSettings(
    image="falconeri:1",
    image_pull_policy=None,
    image_volume=False,
    environment={"FALCONERI_URL": "http://falconerid:8089/"},
)


def tree(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """A spec as a user writes it."""
    return {
        "pipeline": {"name": "words"},
        "transform": {"cmd": ["count"], "image": "words:1", **fields.pop("transform", {})},
        "parallelism_spec": {"constant": 3},
        "resource_requests": {"memory": "64Mi", "cpu": 0.25},
        "input": {"atom": {"URI": "s3://in/", "repo": "in", "glob": "/*"}},
        "egress": {"URI": "s3://out/"},
        **fields,
    }


def manifest(settings: ManifestSettings = SETTINGS, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """The Job of a spec with some fields; one that a strict server accepts."""
    spec = stored_form(parse_spec(encode(tree(**fields))))
    job = job_manifest(WorkersSpec(uuid4(), "words-abc", spec, 3, "t0ken"), settings)
    kind = kind_named("Job")
    assert schema.unknown_fields(kind, job) == []
    schema.check(kind, job)
    stored = {**job, "metadata": {**job["metadata"], "uid": str(uuid4()), "namespace": "default"}}
    rules.check_new(kind, stored)
    versions = VERSIONS[1:] if settings.image_volume else VERSIONS  # the oldest has no such volumes
    assert [errors_of(job, version) for version in versions] == [[]] * len(versions)
    return job


def pod(job: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = job["spec"]["template"]["spec"]
    return spec


def worker(job: dict[str, Any]) -> dict[str, Any]:
    container: dict[str, Any] = pod(job)["containers"][0]
    return container


def variables(job: dict[str, Any]) -> dict[str, Any]:
    env = worker(job)["env"]
    assert len({variable["name"] for variable in env}) == len(env)
    return {variable["name"]: variable.get("value", variable.get("valueFrom")) for variable in env}


def test_a_job_is_a_work_queue_that_begins_suspended() -> None:
    job = manifest()
    assert job["metadata"]["name"] == "words-abc"
    assert job["spec"]["parallelism"] == 3
    assert job["spec"]["suspend"] is True
    assert "completions" not in job["spec"]
    assert "activeDeadlineSeconds" not in job["spec"]
    assert job["spec"]["ttlSecondsAfterFinished"] == 86400
    assert pod(job)["restartPolicy"] == "Never"


def test_job_and_pods_carry_the_jobs_id() -> None:
    job = manifest()
    job_id = job["metadata"]["labels"]["falconeri.io/job-id"]
    assert worker(job)["command"] == ["/falconeri/falconeri-worker", job_id]
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert labels["falconeri.io/job-id"] == job_id
    assert labels["created-by"] == job["metadata"]["labels"]["created-by"] == "falconeri"


def test_jobs_of_one_name_have_tokens_of_different_names() -> None:
    names = {manifest()["metadata"]["annotations"]["falconeri.io/token-secret"] for _ in range(2)}
    assert len(names) == 2


def test_the_worker_comes_from_our_image() -> None:
    init = pod(manifest())["initContainers"][0]
    assert init["image"] == "falconeri:1"
    assert init["command"][-1] == "/falconeri/"
    assert "imagePullPolicy" not in init

    never = ManifestSettings("falconeri:1", "Never", image_volume=False, environment={})
    assert pod(manifest(never))["initContainers"][0]["imagePullPolicy"] == "Never"


def test_the_worker_may_come_as_a_volume() -> None:
    settings = ManifestSettings("falconeri:1", "Always", image_volume=True, environment={})
    job = manifest(settings)
    assert "initContainers" not in pod(job)
    [volume] = [v for v in pod(job)["volumes"] if v["name"] == "falconeri-bin"]
    assert volume["image"] == {"reference": "falconeri:1", "pullPolicy": "Always"}
    [mount] = [m for m in worker(job)["volumeMounts"] if m["name"] == "falconeri-bin"]
    assert mount["subPath"] == "opt/falconeri/worker"


def test_the_program_gets_its_variables_but_not_ours_nor_our_password() -> None:
    secrets = [
        {"name": "s3", "key": "ID", "env_var": "AWS_ACCESS_KEY_ID"},
        {"name": "s3", "key": "REGION", "env_var": "AWS_REGION", "optional": True},
    ]
    env = {"MODE": "fast", "PRICE": "$(cat)", "FALCONERI_POD_NAME": "mine"}
    job = manifest(transform={"env": env, "secrets": secrets})
    found = variables(job)
    assert found["MODE"] == "fast"
    assert found["PRICE"] == "$$(cat)"
    assert found["FALCONERI_URL"] == "http://falconerid:8089/"
    assert found["FALCONERI_POD_NAME"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    assert found["TMPDIR"] == "/scratch"
    assert found["AWS_ACCESS_KEY_ID"] == {"secretKeyRef": {"name": "s3", "key": "ID"}}
    assert found["AWS_REGION"]["secretKeyRef"]["optional"] is True
    [token] = [v for v in pod(job)["volumes"] if v["name"] == "secrets"]
    assert token["secret"]["secretName"].startswith("words-abc-token-")
    assert pod(job)["automountServiceAccountToken"] is False
    assert "falconeri" not in [v.get("secret", {}).get("secretName") for v in pod(job)["volumes"]]


def reachable(job: dict[str, Any]) -> dict[str, set[str]]:
    containers = [*pod(job).get("initContainers", []), *pod(job)["containers"]]
    return {each["name"]: credentials_of(pod(job), each) for each in containers}


def test_each_container_reaches_the_credentials_that_it_needs_and_no_others() -> None:
    secrets = [
        {"name": "s3", "key": "ID", "env_var": "AWS_ACCESS_KEY_ID"},
        {"name": "tls", "mount_path": "/tls"},
    ]
    plain = manifest()
    token = f"{plain['metadata']['annotations']['falconeri.io/token-secret']}/*"
    assert reachable(plain) == {"copy-worker": set(), "worker": {token}}

    job = manifest(transform={"secrets": secrets})
    token = f"{job['metadata']['annotations']['falconeri.io/token-secret']}/*"
    assert reachable(job) == {"copy-worker": set(), "worker": {token, "s3/ID", "tls/*"}}


def test_the_cluster_is_reached_only_by_a_job_that_names_an_account() -> None:
    job = manifest(transform={"service_account": "reader"})
    assert "token of reader" in reachable(job)["worker"]
    for credentials in reachable(manifest()).values():
        assert not [one for one in credentials if one.startswith("token of ")]


def test_a_secret_that_is_mounted_twice_is_one_volume() -> None:
    secrets = [{"name": "s", "mount_path": "/a"}, {"name": "s", "mount_path": "/b"}]
    job = manifest(transform={"secrets": secrets})
    [name] = [
        v["name"] for v in pod(job)["volumes"] if v.get("secret", {}).get("secretName") == "s"
    ]
    mounts = {m["mountPath"]: m["name"] for m in worker(job)["volumeMounts"]}
    assert mounts["/a"] == mounts["/b"] == name


def test_resources_are_asked_for_and_memory_and_devices_are_limits() -> None:
    job = manifest(
        resource_requests={
            "memory": "1Gi",
            "cpu": 0.5,
            "gpu": {"type": "nvidia.com/gpu", "number": 2},
            "extended": {"ephemeral-storage": "10Gi"},
        }
    )
    more = {"nvidia.com/gpu": "2", "ephemeral-storage": "10Gi"}
    assert worker(job)["resources"] == {
        "requests": {"memory": "1Gi", "cpu": "500m", **more},
        "limits": {"memory": "1Gi", **more},
    }


def test_where_pods_run_is_said_in_several_places() -> None:
    taint = {"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}
    affinity: dict[str, Any] = {"nodeAffinity": {}}
    job = manifest(
        node_selector={"a": "1", "b": "1"},
        scheduling_spec={"node_selector": {"b": "2"}, "priority_class_name": "low"},
        pod={"tolerations": [taint], "affinity": affinity, "image_pull_secrets": ["registry"]},
        transform={"service_account": "reader", "image_pull_policy": "Always"},
    )
    spec = pod(job)
    assert spec["nodeSelector"] == {"a": "1", "b": "2"}
    assert spec["priorityClassName"] == "low"
    assert spec["tolerations"][0]["key"] == "fdy.io/falconeri"
    assert spec["tolerations"][1:] == [taint]
    assert spec["affinity"] == affinity
    assert spec["imagePullSecrets"] == [{"name": "registry"}]
    assert spec["serviceAccountName"] == "reader"
    assert "automountServiceAccountToken" not in spec
    assert worker(job)["imagePullPolicy"] == "Always"


def test_volumes_lie_on_disk_in_memory_or_on_a_claim_of_their_own() -> None:
    job = manifest(
        pod={
            "pfs": {"size": "1Ti", "storage_class": "fast"},
            "scratch": {"size": "1Gi", "memory": True},
        }
    )
    volumes = {volume["name"]: volume for volume in pod(job)["volumes"]}
    claim = volumes["pfs"]["ephemeral"]["volumeClaimTemplate"]["spec"]
    assert claim["storageClassName"] == "fast"
    assert claim["resources"] == {"requests": {"storage": "1Ti"}}
    assert volumes["scratch"]["emptyDir"] == {"sizeLimit": "1Gi", "medium": "Memory"}
    assert "FALCONERI_SPACE" not in variables(job), "files can't be renamed from one to the other"


def test_pfs_and_scratch_share_a_volume_in_which_the_worker_puts_files_aside() -> None:
    job = manifest(pod={"pfs": {"size": "10Gi"}})
    volumes = {volume["name"]: volume for volume in pod(job)["volumes"]}
    mounts = {mount["mountPath"]: mount for mount in worker(job)["volumeMounts"]}
    space = variables(job)["FALCONERI_SPACE"]
    assert volumes["space"]["emptyDir"] == {"sizeLimit": "10Gi"}
    assert mounts["/pfs"] == {"name": "space", "mountPath": "/pfs", "subPath": "pfs"}
    assert mounts["/scratch"] == {"name": "space", "mountPath": "/scratch", "subPath": "scratch"}
    assert mounts[space] == {"name": "space", "mountPath": space}
    plain = {volume["name"]: volume for volume in pod(manifest())["volumes"]}
    assert plain["space"]["emptyDir"] == {}


def test_a_deadline_a_life_after_death_labels_and_annotations() -> None:
    job = manifest(
        job_timeout="90m",
        pod={"keep": "1h", "labels": {"team": "a"}, "annotations": {"example.com/x": "y z"}},
    )
    assert job["spec"]["activeDeadlineSeconds"] == 5400
    assert job["spec"]["ttlSecondsAfterFinished"] == 3600
    metadata = job["spec"]["template"]["metadata"]
    assert metadata["labels"]["team"] == "a"
    assert metadata["annotations"] == {"example.com/x": "y z"}


def test_a_patch_changes_the_rest_by_name() -> None:
    job = manifest(
        pod_patch={
            "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["db"]}],
            "enableServiceLinks": None,
            "containers": [
                {"name": "worker", "env": [{"name": "EXTRA", "value": "1"}]},
                {"name": "proxy", "image": "proxy:1"},
            ],
        }
    )
    assert pod(job)["hostAliases"][0]["ip"] == "10.0.0.1"
    assert "enableServiceLinks" not in pod(job)
    assert [c["name"] for c in pod(job)["containers"]] == ["worker", "proxy"]
    assert variables(job)["EXTRA"] == "1"
    assert variables(job)["FALCONERI_URL"]
    assert worker(job)["image"] == "words:1"


JSON_PATCH: list[dict[str, Any]] = [
    {"op": "test", "path": "/containers/0/name", "value": "worker"},
    {"op": "add", "path": "/containers/0/env/-", "value": {"name": "EXTRA", "value": "1"}},
    {"op": "remove", "path": "/enableServiceLinks"},
    {"op": "add", "path": "/hostAliases", "value": [{"ip": "10.0.0.1", "hostnames": ["db"]}]},
]


@pytest.mark.parametrize("patch", [JSON_PATCH, json.dumps(JSON_PATCH)])
def test_a_patch_may_be_a_list_of_changes_or_a_string_of_one_as_in_pachyderm(patch: Any) -> None:  # noqa: ANN401
    job = manifest(pod_patch=patch)
    assert variables(job)["EXTRA"] == "1"
    assert "enableServiceLinks" not in pod(job)
    assert pod(job)["hostAliases"][0]["ip"] == "10.0.0.1"


def test_the_template_is_not_changed_by_a_patch() -> None:
    manifest(pod_patch=JSON_PATCH)
    assert pod(manifest())["enableServiceLinks"] is False


REMOVE_COMMAND = {"op": "remove", "path": "/containers/0/command"}
SIDECAR = {"op": "replace", "path": "/containers", "value": [{"name": "a", "image": "b"}]}


@pytest.mark.parametrize(
    ("patch", "complaint"),
    [
        ([{"op": "remove", "path": "/containers/7"}], r"pod_patch\[0\]: `remove` '/containers/7'"),
        (
            [*JSON_PATCH, {"op": "replace", "path": "/noSuchField/x", "value": 1}],
            r"pod_patch\[4\]: `replace` '/noSuchField/x': the pod has no such place",
        ),
        (
            [{"op": "test", "path": "/restartPolicy", "value": "Always"}],
            "'/restartPolicy': the pod has another value there",
        ),
        ([{"op": "replace", "path": "", "value": 1}], "a pod's spec is an object"),
        ([REMOVE_COMMAND], "`/containers` must keep the container `worker`"),
        ([SIDECAR], "`/containers` must keep the container `worker`"),
        ({"containers": None}, "`/containers` must keep the container `worker`"),
        ({"containers": [{"image": "x"}]}, "needs its `name`"),
        ({"restartPolicy": "Always"}, "`/restartPolicy` must stay Never"),
        ([{"op": "add", "path": "/a"}], r"needs a `value` - at `\$?.?pod_patch|pod_patch\[0\]"),
        ([{"op": "move", "path": "/a"}], "needs a `from`"),
        ([{"op": "add", "path": "a", "value": 1}], r"pod_patch\[0\].path"),
        ([{"op": "patch", "path": "/a", "value": 1}], r"pod_patch\[0\].op"),
        ("{", "the string `pod_patch` is no patch"),
        ('[{"op": "add"}]', r"the string `pod_patch` is no patch.*\[0\]"),
        ("3", "the string `pod_patch` is no patch"),
    ],
)
def test_a_patch_that_does_not_fit_is_refused_by_its_place(patch: Any, complaint: str) -> None:  # noqa: ANN401
    with pytest.raises(InvalidSpec) as caught:
        check_patch(stored_form(parse_spec(encode(tree(pod_patch=patch)))))
    assert re.search(complaint, str(caught.value)), str(caught.value)


def test_what_the_cluster_does_never_counts_as_a_failure() -> None:
    policy = manifest()["spec"]["podFailurePolicy"]["rules"]
    assert policy[0]["action"] == "Ignore"
    assert policy[0]["onPodConditions"][0]["type"] == "DisruptionTarget"


def test_a_pod_with_a_user_is_a_restricted_one() -> None:
    job = manifest(pod={"run_as_user": 1000})
    assert pod(job)["securityContext"]["runAsNonRoot"] is True
    for container in (*pod(job)["initContainers"], *pod(job)["containers"]):
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
    assert pod(job)["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}


def test_the_token_is_a_secret_that_the_job_owns() -> None:
    workers = WorkersSpec(uuid4(), "words-abc", {}, 1, "t0ken")
    job = manifest()
    secret = token_secret(workers, {**job, "metadata": {**job["metadata"], "uid": "u"}})
    [token] = [v for v in pod(job)["volumes"] if v["name"] == "secrets"]
    assert secret["metadata"]["name"] == token["secret"]["secretName"]
    assert secret["stringData"] == {"POSTGRES_PASSWORD": "t0ken"}
    [owner] = secret["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("Job", "words-abc", "u")


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"pod": {"labels": {"a b": "c"}}}, "can't be a label"),
        ({"pod": {"labels": {"falconeri.io/job-id": "c"}}}, "set by falconeri"),
        ({"pod": {"annotations": {"a b": "c"}}}, "can't be a key"),
        ({"pod": {"pfs": {"storage_class": "fast"}}}, "needs a `size`"),
        ({"pod": {"pfs": {"storage_class": "fast", "memory": True}}}, "either in `memory`"),
        ({"pod": {"pfs": {"size": "lots"}}}, "size"),
        ({"pod": {"tolerations": [{"operator": "Equal"}]}}, "without `key`"),
        ({"pod": {"keep": "soon"}}, "keep"),
        ({"pod": {"run_as_user": 0}}, "run_as_user"),
        ({"pod": {"color": "red"}}, "color"),
        ({"scheduling_spec": {"node_selector": {"a": "b c"}}}, "can't be a label"),
    ],
)
def test_what_kubernetes_would_refuse_is_refused_at_once(
    fields: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(Exception, match=complaint):
        manifest(**fields)
