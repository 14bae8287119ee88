"""What `deploy/kubernetes` says, for each way to deploy: valid, restricted, and with few rights."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from falconeri.deployment import manifests
from falconeri.deployment.manifests import find
from falconeri.deployment.options import DEVELOPMENT, PRODUCTION, Options
from falconeri.deployment.render import containers, pod_spec, render, workloads
from falconeri.deployment.secrets import missing
from falconeri.kube.objects import Object, name_of, part
from falconeri.resources import deploy_root
from tests.deployment.credentials import credentials_of
from tests.deployment.schemas import VERSIONS, errors_of

INSTALLATIONS = {
    "production": PRODUCTION,
    "development": DEVELOPMENT,
    "external database": Options(database_secret="our-db", bucket_secrets=("s3", "gcs")),
    "storage class": Options(storage_class_name="fast", with_minio=True, use_local_image=True),
}

POD_TEMPLATES = {
    f"{installation}: {name_of(obj)}": obj
    for installation, options in INSTALLATIONS.items()
    for obj in workloads(render(options))
}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_what_the_api_server_accepts(version: str) -> None:
    objects = [obj for options in INSTALLATIONS.values() for obj in render(options)]
    objects += missing(DEVELOPMENT, lambda _name: None)

    assert [error for obj in objects for error in errors_of(obj, version)] == []


def test_wrong_field_is_noticed() -> None:
    deployment = find(render(PRODUCTION), "Deployment", "falconerid")
    deployment["spec"]["replcas"] = 3
    deployment["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"] = "8089"

    found = errors_of(deployment, VERSIONS[-1])

    assert len(found) == 2
    assert any("replcas" in error for error in found)


def test_kustomizations_name_every_file() -> None:
    root = deploy_root() / "kubernetes"
    for folder in (root, root / "minio"):
        listed = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
        assert sorted(listed) == sorted(
            file.name for file in folder.glob("*.yaml") if file.name != "kustomization.yaml"
        )


def test_names_are_unique_and_no_object_names_its_namespace() -> None:
    objects = render(DEVELOPMENT)
    names = [(obj["kind"], name_of(obj)) for obj in objects]

    assert len(set(names)) == len(names)
    assert not [name_of(obj) for obj in objects if "namespace" in obj["metadata"]]


@pytest.mark.parametrize("obj", POD_TEMPLATES.values(), ids=POD_TEMPLATES.keys())
def test_pods_keep_the_restricted_pod_security_standard(obj: Object) -> None:
    spec = pod_spec(obj)

    assert violations_of_restricted(spec) == []


def violations_of_restricted(spec: dict[str, Any]) -> list[str]:
    """By the standard's published text; and beyond it, a root file system that is read only."""
    pod = part(spec, "securityContext")
    found = [key for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    kinds = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim"}
    kinds |= {"projected", "secret"}
    found += [v["name"] for v in spec.get("volumes", ()) if not kinds & (v.keys() - {"name"})]
    for container in [*spec.get("initContainers", ()), *spec["containers"]]:
        own = part(container, "securityContext")
        effective = pod | own
        wanted = {
            "not root": effective.get("runAsNonRoot") is True and effective.get("runAsUser") != 0,
            "seccomp": part(effective, "seccompProfile").get("type") == "RuntimeDefault",
            "no escalation": own.get("allowPrivilegeEscalation") is False,
            "no capabilities": own.get("capabilities") == {"drop": ["ALL"]},
            "not privileged": not own.get("privileged"),
            "read only": own.get("readOnlyRootFilesystem") is True,
            "no host ports": not any("hostPort" in p for p in container.get("ports", ())),
            "default proc": own.get("procMount", "Default") == "Default",
        }
        found += [f"{container['name']}: {rule}" for rule, kept in wanted.items() if not kept]
    return found


@pytest.mark.parametrize("obj", POD_TEMPLATES.values(), ids=POD_TEMPLATES.keys())
def test_every_container_has_requests_and_a_limit_of_memory(obj: Object) -> None:
    for container in containers(obj):
        resources = container["resources"]
        assert resources["requests"].keys() == {"cpu", "memory"}
        assert resources["limits"] == {"memory": resources["requests"]["memory"]}


def test_each_container_reaches_the_credentials_that_it_needs_and_no_others() -> None:
    """A credential is a key of a secret, as variable or file, or a token for the Kubernetes API."""
    assert reachable(render(DEVELOPMENT)) == {
        "falconeri-postgres/postgres": {"falconeri-database/POSTGRES_PASSWORD"},
        # Becomes the owner to migrate, and sets the password of the server's role.
        "falconerid/migrate": {"falconeri-database/OWNER_URL", "falconeri-database/SERVER_URL"},
        # Checks passwords and tokens; lists buckets with the secrets that specs name.
        "falconerid/falconerid": {
            "falconeri-database/SERVER_URL",
            "falconeri/POSTGRES_PASSWORD",
            "token of falconerid",
        },
        # Makes tokens of the password; starts workers.
        "falconerid-tasks/tasks": {
            "falconeri-database/SERVER_URL",
            "falconeri/POSTGRES_PASSWORD",
            "token of falconerid-tasks",
        },
        "falconeri-minio/minio": {
            "falconeri-minio/MINIO_ROOT_USER",
            "falconeri-minio/MINIO_ROOT_PASSWORD",
        },
    }


def reachable(objects: list[Object]) -> dict[str, set[str]]:
    return {
        f"{name_of(obj)}/{container['name']}": credentials_of(pod_spec(obj), container)
        for obj in workloads(objects)
        for container in containers(obj)
    }


def test_account_that_has_no_rights_has_no_token() -> None:
    bound = {
        subject["name"]
        for obj in render(DEVELOPMENT)
        if obj["kind"] == "RoleBinding"
        for subject in obj["subjects"]
    }
    tokens = {
        credential.removeprefix("token of ")
        for credentials in reachable(render(DEVELOPMENT)).values()
        for credential in credentials
        if credential.startswith("token of ")
    }

    assert tokens == bound


def test_services_and_policies_select_the_pods_that_there_are() -> None:
    objects = render(DEVELOPMENT)
    labels = [obj["spec"]["template"]["metadata"]["labels"] for obj in workloads(objects)]
    for obj in objects:
        if obj["kind"] == "Service":
            selector = obj["spec"]["selector"]
        elif obj["kind"] == "PodDisruptionBudget":
            selector = obj["spec"]["selector"]["matchLabels"]
        else:
            continue
        assert any(selector.items() <= pod.items() for pod in labels), name_of(obj)


@pytest.mark.parametrize("obj", POD_TEMPLATES.values(), ids=POD_TEMPLATES.keys())
def test_every_container_that_stays_is_probed_at_a_port_that_it_has(obj: Object) -> None:
    for container in pod_spec(obj)["containers"]:
        ports = {port["name"] for port in container["ports"]}
        probes = [
            container[kind] for kind in ("startupProbe", "livenessProbe") if kind in container
        ]
        assert "livenessProbe" in container, container["name"]
        for probe in probes:
            assert "exec" in probe or probe["httpGet"]["port"] in ports


def test_tasks_is_told_the_port_at_which_it_is_probed() -> None:
    (container,) = pod_spec(find(render(PRODUCTION), "Deployment", "falconerid-tasks"))[
        "containers"
    ]
    variables = {variable["name"]: variable.get("value") for variable in container["env"]}
    assert variables["FALCONERI_HEALTH_PORT"] == str(container["ports"][0]["containerPort"])


def test_only_falconerid_reaches_the_database() -> None:
    policy = find(render(PRODUCTION), "NetworkPolicy", "falconeri-postgres")["spec"]

    (rule,) = policy["ingress"]
    (peer,) = rule["from"]
    assert peer["podSelector"]["matchExpressions"] == [
        {"key": "app", "operator": "In", "values": ["falconerid", "falconerid-tasks"]}
    ]
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    assert "egress" not in policy


def test_every_pod_has_a_network_policy() -> None:
    objects = render(DEVELOPMENT)
    selected = [
        obj["spec"]["podSelector"]["matchLabels"]
        for obj in objects
        if obj["kind"] == "NetworkPolicy"
    ]
    for obj in workloads(objects):
        pod = obj["spec"]["template"]["metadata"]["labels"]
        assert any(selector.items() <= pod.items() for selector in selected), name_of(obj)


def test_yaml_read_back_is_the_same() -> None:
    objects = render(DEVELOPMENT)

    assert list(yaml.safe_load_all(manifests.as_yaml(objects))) == objects
