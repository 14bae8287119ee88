"""Flags and their defaults, and where they end up."""

from __future__ import annotations

from typing import Any

import pytest

from falconeri.deployment.manifests import find
from falconeri.deployment.options import Options, choose, log_level, quantity
from falconeri.deployment.render import containers, pod_spec, render
from falconeri.errors import InvalidArgument
from falconeri.kube.objects import Object


def container(objects: list[Object], kind: str, name: str) -> dict[str, Any]:
    return pod_spec(find(objects, kind, name))["containers"][0]


def sizes(options: Options) -> dict[str, tuple[str, ...]]:
    """Of the volume, memory and CPU of each part."""
    objects = render(options)
    found: dict[str, tuple[str, ...]] = {}
    for kind, name in (
        ("StatefulSet", "falconeri-postgres"),
        ("Deployment", "falconerid"),
        ("Deployment", "falconeri-minio"),
    ):
        if not any(o["kind"] == kind and o["metadata"]["name"] == name for o in objects):
            continue
        requests = container(objects, kind, name)["resources"]["requests"]
        volumes = [
            obj["spec"]["resources"]["requests"]["storage"]
            for obj in objects
            if obj["kind"] == "PersistentVolumeClaim" and obj["metadata"]["name"] == name
        ]
        found[name] = (*volumes, requests["memory"], requests["cpu"])
    return found


def variables(one: dict[str, Any]) -> dict[str, str]:
    return {v["name"]: v["value"] for v in one["env"] if "value" in v}


def test_production_has_the_defaults_of_the_original() -> None:
    options = choose(development=False)
    objects = render(options)

    assert sizes(options) == {
        "falconeri-postgres": ("10Gi", "1Gi", "500m"),
        "falconerid": ("256Mi", "450m"),
    }
    assert find(objects, "Deployment", "falconerid")["spec"]["replicas"] == 2
    assert variables(container(objects, "Deployment", "falconerid"))["FALCONERI_LOG"] == "warning"


def test_development_has_the_defaults_of_the_original() -> None:
    options = choose(development=True)
    objects = render(options)

    assert sizes(options) == {
        "falconeri-postgres": ("100Mi", "256Mi", "100m"),
        "falconerid": ("256Mi", "100m"),
        "falconeri-minio": ("256Mi", "256Mi", "100m"),
    }
    assert find(objects, "Deployment", "falconerid")["spec"]["replicas"] == 1
    tasks = container(objects, "Deployment", "falconerid-tasks")
    assert tasks["imagePullPolicy"] == "Never"
    assert variables(tasks)["FALCONERI_USE_LOCAL_IMAGE"] == "true"
    assert variables(tasks)["FALCONERI_LOG"] == "debug"
    assert variables(tasks)["FALCONERI_IMAGE_VOLUME"] == "false"


def test_every_choice_ends_up_in_a_field() -> None:
    options = choose(
        development=False,
        image="registry.example:5000/falconeri@sha256:abc",
        image_volume=True,
        storage_class_name="fast",
        postgres_version="17.4-alpine",
        postgres_storage="1Ti",
        postgres_memory="8Gi",
        postgres_cpu="4",
        falconerid_replicas=5,
        falconerid_memory="1Gi",
        falconerid_cpu="1.5",
        falconerid_log_level="info",
        with_minio=True,
        minio_storage="2Ti",
        minio_memory="3Gi",
        minio_cpu="2",
    )
    objects = render(options)

    assert sizes(options) == {
        "falconeri-postgres": ("1Ti", "8Gi", "4"),
        "falconerid": ("1Gi", "1.5"),
        "falconeri-minio": ("2Ti", "3Gi", "2"),
    }
    claims = [obj for obj in objects if obj["kind"] == "PersistentVolumeClaim"]
    assert [claim["spec"]["storageClassName"] for claim in claims] == ["fast", "fast"]
    postgres = container(objects, "StatefulSet", "falconeri-postgres")
    assert postgres["image"] == "postgres:17.4-alpine"
    assert {"--shared_buffers=2048MB", "--effective_cache_size=4096MB"} <= set(postgres["args"])
    for name in ("falconerid", "falconerid-tasks"):
        deployment = find(objects, "Deployment", name)
        assert deployment["spec"]["replicas"] == 5
        assert {one["image"] for one in containers(deployment)} == {options.image}
        assert "imagePullPolicy" not in deployment["spec"]["template"]["spec"]["containers"][0]
    tasks = variables(container(objects, "Deployment", "falconerid-tasks"))
    assert tasks["FALCONERI_IMAGE"] == options.image
    assert tasks["FALCONERI_LOG"] == "info"
    assert tasks["FALCONERI_IMAGE_VOLUME"] == "true"


def test_database_elsewhere_takes_ours_away() -> None:
    objects = render(Options(database_secret="our-db"))

    assert not [obj for obj in objects if obj["metadata"]["name"] == "falconeri-postgres"]
    references = {
        v["valueFrom"]["secretKeyRef"]["name"]
        for obj in objects
        if obj["kind"] == "Deployment"
        for one in containers(obj)
        for v in one["env"]
        if "valueFrom" in v
    }
    assert references == {"our-db"}


@pytest.mark.parametrize("name", ["falconerid", "falconerid-tasks"])
def test_named_bucket_secrets_are_all_that_falconerid_may_read(name: str) -> None:
    role = find(render(Options(bucket_secrets=("s3", "gcs"))), "Role", name)

    reading = [
        rule
        for rule in role["rules"]
        if rule["resources"] == ["secrets"] and "get" in rule["verbs"]
    ]
    assert reading == [
        {
            "apiGroups": [""],
            "resources": ["secrets"],
            "verbs": ["get"],
            "resourceNames": ["s3", "gcs"],
        }
    ]


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"postgres_memory": "1GB"}, "--postgres-memory is not a quantity"),
        ({"falconerid_cpu": "0"}, "--falconerid-cpu is not a quantity"),
        ({"minio_storage": "-1Gi"}, "--minio-storage is not a quantity"),
        ({"postgres_version": "14"}, "--postgres-version is less than 15"),
        ({"postgres_version": "latest"}, "does not begin with a version"),
        ({"postgres_version": "18 --privileged"}, "does not begin with a version"),
        ({"falconerid_replicas": 0}, "--falconerid-replicas is not a number"),
        ({"image": "with spaces"}, "--image is not the name of an image"),
        ({"database_secret": "Not_A_Name"}, "not a name of a Kubernetes object"),
        ({"falconerid_log_level": "loud"}, "knows debug, info, warning and error: 'loud'"),
    ],
)
def test_wrong_choice_is_refused_by_name(chosen: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        choose(development=False, **chosen)


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("warn", "warning"),
        ("falconeri_common=debug,falconerid=debug,warn", "debug"),
        ("INFO", "info"),
        ("off", "error"),
    ],
)
def test_log_levels_of_the_original_are_understood(text: str, level: str) -> None:
    assert log_level(text) == level


@pytest.mark.parametrize(
    ("text", "number"), [("500m", 0.5), ("1.5", 1.5), ("256Mi", 2**28), ("1k", 1000), ("2G", 2e9)]
)
def test_quantities_are_read_as_kubernetes_reads_them(text: str, number: float) -> None:
    assert float(quantity(text, name="--x")) == number
