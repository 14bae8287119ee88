"""Puts what was chosen into the manifests: fields are set, text is never pasted.

Called by `deploy`, `undeploy` and `status`.
"""

from __future__ import annotations

from typing import Any

from falconeri.deployment.manifests import find, load
from falconeri.deployment.options import DEVELOPMENT, Options, quantity
from falconeri.kube.objects import Object, name_of

POSTGRES = "falconeri-postgres"
MINIO = "falconeri-minio"
SERVE = "falconerid"
TASKS = "falconerid-tasks"
DATABASE_SECRET = "falconeri-database"  # noqa: S105 - a name

_SHARED_BUFFERS = "--shared_buffers="
_CACHE_SIZE = "--effective_cache_size="
_MIB = 2**20


def render(options: Options) -> list[Object]:
    """All objects of an installation but its secrets, in the order of their application."""
    objects = load()
    if options.database_secret is None:
        _set_postgres(objects, options)
    else:
        objects = [obj for obj in objects if name_of(obj) != POSTGRES]
    if options.with_minio:
        objects += load("minio")
        _set_minio(objects, options)
    _set_falconerid(objects, options)
    _set_readable_secrets(objects, options)
    return objects


def everything() -> list[Object]:
    """All objects that any installation may have, whatever was chosen."""
    return render(DEVELOPMENT)


def workloads(objects: list[Object]) -> list[Object]:
    """Those that run pods."""
    return [obj for obj in objects if obj["kind"] in {"Deployment", "StatefulSet"}]


def pod_spec(obj: Object) -> dict[str, Any]:
    """What its pods are."""
    return obj["spec"]["template"]["spec"]


def containers(obj: Object) -> list[dict[str, Any]]:
    """Its pods' containers, those that run first included."""
    spec = pod_spec(obj)
    return [*spec.get("initContainers", ()), *spec["containers"]]


def _set_postgres(objects: list[Object], options: Options) -> None:
    claim = find(objects, "PersistentVolumeClaim", POSTGRES)
    _set_storage(claim, options.postgres_storage, options.storage_class_name)
    (container,) = containers(find(objects, "StatefulSet", POSTGRES))
    container["image"] = f"postgres:{options.postgres_version}"
    _set_resources(container, cpu=options.postgres_cpu, memory=options.postgres_memory)
    memory_mib = int(quantity(options.postgres_memory, name="--postgres-memory") / _MIB)
    sizes = {_SHARED_BUFFERS: max(16, memory_mib // 4), _CACHE_SIZE: max(32, memory_mib // 2)}
    container["args"] = [
        next((f"{flag}{mib}MB" for flag, mib in sizes.items() if arg.startswith(flag)), arg)
        for arg in container["args"]
    ]


def _set_minio(objects: list[Object], options: Options) -> None:
    claim = find(objects, "PersistentVolumeClaim", MINIO)
    _set_storage(claim, options.minio_storage, options.storage_class_name)
    (container,) = containers(find(objects, "Deployment", MINIO))
    _set_resources(container, cpu=options.minio_cpu, memory=options.minio_memory)


def _set_falconerid(objects: list[Object], options: Options) -> None:
    for name in (SERVE, TASKS):
        deployment = find(objects, "Deployment", name)
        deployment["spec"]["replicas"] = options.falconerid_replicas
        for container in containers(deployment):
            container["image"] = options.image
            if options.use_local_image:
                container["imagePullPolicy"] = "Never"
            _set_variable(container, "FALCONERI_LOG", options.falconerid_log_level)
            _set_variable(container, "FALCONERI_IMAGE", options.image)
            for variable, is_set in (
                ("FALCONERI_USE_LOCAL_IMAGE", options.use_local_image),
                ("FALCONERI_IMAGE_VOLUME", options.image_volume),
            ):
                _set_variable(container, variable, str(is_set).lower())
            if options.database_secret is not None:
                _take_database_from(container, options.database_secret)
    (serve,) = pod_spec(find(objects, "Deployment", SERVE))["containers"]
    _set_resources(serve, cpu=options.falconerid_cpu, memory=options.falconerid_memory)
    (tasks,) = pod_spec(find(objects, "Deployment", TASKS))["containers"]
    _set_resources(tasks, memory=options.falconerid_memory)


def _set_readable_secrets(objects: list[Object], options: Options) -> None:
    """Let falconerid read the named secrets only; Kubernetes can't say "all but those".

    Whoever starts pods can let one read a secret for him, of course.
    """
    if not options.bucket_secrets:
        return
    for name in (SERVE, TASKS):
        role = find(objects, "Role", name)
        for rule in role["rules"]:
            if rule["resources"] == ["secrets"] and rule["verbs"] == ["get"]:
                rule["resourceNames"] = list(options.bucket_secrets)


def _set_storage(claim: Object, size: str, storage_class_name: str | None) -> None:
    claim["spec"]["resources"]["requests"]["storage"] = size
    if storage_class_name is not None:
        claim["spec"]["storageClassName"] = storage_class_name


def _set_resources(container: dict[str, Any], *, memory: str, cpu: str | None = None) -> None:
    """Set requests; of memory a container gets what it asks for, and no more."""
    requests = container["resources"]["requests"]
    requests["memory"] = container["resources"]["limits"]["memory"] = memory
    if cpu is not None:
        requests["cpu"] = cpu


def _set_variable(container: dict[str, Any], name: str, value: str) -> None:
    """Set a variable that the manifest has; others don't need it."""
    for variable in container["env"]:
        if variable["name"] == name:
            variable["value"] = value


def _take_database_from(container: dict[str, Any], secret: str) -> None:
    for variable in container["env"]:
        reference = variable.get("valueFrom", {}).get("secretKeyRef", {})
        if reference.get("name") == DATABASE_SECRET:
            reference["name"] = secret
