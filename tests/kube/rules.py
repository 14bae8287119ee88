"""What the API server refuses and fills in, for the kinds that it looks at closely.

Called by `store` for each new and each changed object.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable

from tests.kube.kinds import Kind
from tests.kube.objects import amount, dig, part, parts
from tests.kube.refusals import Json, Refused, invalid

_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_SUBDOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_LABEL_ONLY = re.compile(_LABEL)
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_QUALIFIED = re.compile(
    r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)

RESTRICTED_RBAC = {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}
"""Kinds whose names are path segments rather than domain names."""


def check_new(kind: Kind, obj: Json) -> None:
    """Fill in defaults and refuse what is invalid.

    Raises:
        Refused: 422.
    """
    _check_metadata(kind, obj)
    if kind.name == "Job":
        _default_job(obj)
    if kind.name in _CHECKS:
        _CHECKS[kind.name](obj)


def check_changed(kind: Kind, old: Json, new: Json) -> None:
    """Refuse what can't be changed or is invalid now.

    Raises:
        Refused: 422.
    """
    _check_metadata(kind, new)
    for path in _FIXED.get(kind.name, ()):
        if dig(old, path) != dig(new, path):
            raise invalid(kind.name, new["metadata"]["name"], path, "field is immutable")
    if kind.name == "Job":
        _check_job_change(old, new)
    if kind.name == "Secret" and old.get("immutable") and old.get("data") != new.get("data"):
        raise invalid("Secret", new["metadata"]["name"], "data", "field is immutable")
    if kind.name in _CHECKS:
        _CHECKS[kind.name](new)


_FIXED = {
    "Job": ("spec.completions", "spec.selector", "spec.podFailurePolicy", "spec.completionMode"),
    "Pod": ("spec.containers.0.command", "spec.volumes", "spec.nodeSelector", "spec.restartPolicy"),
    "StatefulSet": ("spec.selector", "spec.volumeClaimTemplates", "spec.serviceName"),
    "Deployment": ("spec.selector",),
    "Secret": ("type",),
    "PersistentVolumeClaim": ("spec.accessModes", "spec.storageClassName"),
    "RoleBinding": ("roleRef",),
}


def _check_metadata(kind: Kind, obj: Json) -> None:
    metadata = obj["metadata"]
    name = metadata["name"]
    if kind.name not in RESTRICTED_RBAC:
        pattern = _LABEL_ONLY if kind.name in {"Service", "Namespace"} else _SUBDOMAIN
        if not pattern.fullmatch(name) or len(name) > 253:
            raise invalid(kind.name, name, "metadata.name", f"Invalid value: {name!r}")
    for key, value in part(metadata, "labels").items():
        if not _QUALIFIED.fullmatch(key) or not _LABEL_VALUE.fullmatch(value):
            raise invalid(kind.name, name, "metadata.labels", f"Invalid value: {key}={value!r}")
    for key in part(metadata, "annotations"):
        if not _QUALIFIED.fullmatch(key.lower()):
            raise invalid(kind.name, name, "metadata.annotations", f"Invalid value: {key!r}")
    for owner in parts(metadata, "ownerReferences"):
        if not all(owner.get(field) for field in ("apiVersion", "kind", "name", "uid")):
            raise invalid(kind.name, name, "metadata.ownerReferences", "Required value")


def _default_job(job: Json) -> None:
    spec: Json = job.setdefault("spec", {})
    uid = job["metadata"]["uid"]
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = spec["parallelism"] = 1
    spec.setdefault("parallelism", 1)
    spec.setdefault("backoffLimit", 6)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    spec.setdefault(
        "podReplacementPolicy", "Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed"
    )
    if not spec.get("manualSelector"):
        spec["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
        labels = spec.setdefault("template", {}).setdefault("metadata", {}).setdefault("labels", {})
        name = job["metadata"]["name"]
        labels |= {
            "batch.kubernetes.io/controller-uid": uid,
            "batch.kubernetes.io/job-name": name,
            "controller-uid": uid,
            "job-name": name,
        }
    for rule in parts(spec, "podFailurePolicy", "rules"):
        for condition in parts(rule, "onPodConditions"):
            condition.setdefault("status", "True")


def _check_job(job: Json) -> None:
    spec = job["spec"]
    name = job["metadata"]["name"]
    if len(name) > 63:
        raise invalid("Job", name, "spec.template.labels", "must be no more than 63 characters")
    for field in ("parallelism", "completions", "backoffLimit", "ttlSecondsAfterFinished"):
        if (spec.get(field) or 0) < 0:
            raise invalid("Job", name, f"spec.{field}", "must be greater than or equal to 0")
    if spec.get("activeDeadlineSeconds") is not None and spec["activeDeadlineSeconds"] < 1:
        raise invalid("Job", name, "spec.activeDeadlineSeconds", "must be greater than 0")
    template = spec.get("template", {}).get("spec")
    if not template:
        raise invalid("Job", name, "spec.template.spec.containers", "Required value")
    if template.get("restartPolicy") not in {"Never", "OnFailure"}:
        raise invalid(
            "Job",
            name,
            "spec.template.spec.restartPolicy",
            'Required value: valid values: "OnFailure", "Never"',
        )
    if spec.get("podFailurePolicy") and template["restartPolicy"] != "Never":
        raise invalid("Job", name, "spec.template.spec.restartPolicy", "only Never is supported")
    _check_failure_policy(name, spec.get("podFailurePolicy") or {"rules": []}, template)
    check_pod_spec("Job", name, template, "spec.template.spec")


def _check_failure_policy(name: str, policy: Json, template: Json) -> None:
    containers = {
        c.get("name")
        for c in [*template.get("containers", []), *template.get("initContainers", [])]
    }
    for index, rule in enumerate(policy["rules"]):
        field = f"spec.podFailurePolicy.rules[{index}]"
        if rule.get("action") not in {"FailJob", "FailIndex", "Ignore", "Count"}:
            raise invalid("Job", name, f"{field}.action", "Unsupported value")
        on_exit, on_conditions = rule.get("onExitCodes"), rule.get("onPodConditions")
        if bool(on_exit) is bool(on_conditions):
            raise invalid("Job", name, field, "specifying one of OnExitCodes and OnPodConditions")
        if on_exit:
            values = parts(on_exit, "values")
            if not values or values != sorted(set(values)):
                raise invalid("Job", name, f"{field}.onExitCodes.values", "must be ordered")
            if on_exit.get("operator") not in {"In", "NotIn"}:
                raise invalid("Job", name, f"{field}.onExitCodes.operator", "Unsupported value")
            if on_exit["operator"] == "In" and 0 in values:
                raise invalid("Job", name, f"{field}.onExitCodes.values", "must not be 0")
            if (wanted := on_exit.get("containerName")) and wanted not in containers:
                raise invalid("Job", name, f"{field}.onExitCodes.containerName", "unknown")


def _check_job_change(old: Json, new: Json) -> None:
    before, after = old["spec"]["template"], new["spec"]["template"]
    if before != after and not old["spec"].get("suspend"):
        raise invalid("Job", new["metadata"]["name"], "spec.template", "field is immutable")


def _check_pod(pod: Json) -> None:
    check_pod_spec("Pod", pod["metadata"]["name"], part(pod, "spec"), "spec")


def check_pod_spec(kind: str, name: str, spec: Json, path: str) -> None:
    """Refuse a pod that can't be.

    Raises:
        Refused: 422.
    """

    def refuse(field: str, message: str) -> Refused:
        return invalid(kind, name, f"{path}.{field}", message)

    containers = parts(spec, "containers")
    if not containers:
        raise refuse("containers", "Required value")
    volumes = [volume.get("name", "") for volume in parts(spec, "volumes")]
    for volume in volumes:
        if not _LABEL_ONLY.fullmatch(volume):
            raise refuse("volumes", f"Invalid value: {volume!r}")
        if volumes.count(volume) > 1:
            raise refuse("volumes", f"Duplicate value: {volume!r}")
    names: set[str] = set()
    for container in [*parts(spec, "initContainers"), *containers]:
        if container.get("name") in names:
            raise refuse("containers", f"Duplicate value: {container['name']!r}")
        _check_container(container, refuse)
        names.add(container["name"])
        _check_mounts(container, set(volumes), refuse)
        _check_resources(part(container, "resources"), refuse)


def _check_container(container: Json, refuse: Callable[[str, str], Refused]) -> None:
    if not _LABEL_ONLY.fullmatch(container.get("name", "")):
        raise refuse("containers", f"Invalid value: {container.get('name')!r}")
    if not container.get("image"):
        raise refuse("containers.image", "Required value")
    if container.get("imagePullPolicy", "Always") not in {"Always", "IfNotPresent", "Never"}:
        raise refuse("containers.imagePullPolicy", "Unsupported value")


def _check_mounts(
    container: Json, volumes: set[str], refuse: Callable[[str, str], Refused]
) -> None:
    paths = [mount.get("mountPath", "") for mount in parts(container, "volumeMounts")]
    for mount in parts(container, "volumeMounts"):
        if mount.get("name") not in volumes:
            raise refuse("containers.volumeMounts.name", f"Not found: {mount.get('name')!r}")
        if paths.count(mount.get("mountPath", "")) > 1:
            raise refuse("containers.volumeMounts.mountPath", f"must be unique: {paths}")
    for variable in parts(container, "env"):
        if not variable.get("name") or "=" in variable["name"]:
            raise refuse("containers.env.name", f"Invalid value: {variable.get('name')!r}")
        if variable.get("value") and variable.get("valueFrom"):
            raise refuse("containers.env.valueFrom", "may not be specified when value is not empty")


def _check_resources(resources: Json, refuse: Callable[[str, str], Refused]) -> None:
    for section in ("requests", "limits"):
        for resource, quantity in part(resources, section).items():
            try:
                is_negative = amount(quantity) < 0
            except ValueError as ex:
                raise refuse(f"containers.resources.{section}.{resource}", str(ex)) from ex
            if is_negative:
                raise refuse(f"containers.resources.{section}.{resource}", "must be >= 0")
    limits = part(resources, "limits")
    for resource, quantity in part(resources, "requests").items():
        if resource in limits and amount(quantity) > amount(limits[resource]):
            raise refuse(
                f"containers.resources.requests.{resource}",
                f"must be less than or equal to {resource} limit",
            )


def _check_secret(secret: Json) -> None:
    name = secret["metadata"]["name"]
    data: Json = part(secret, "data")
    for key, value in part(secret, "stringData").items():
        data[key] = base64.b64encode(value.encode()).decode()
    for key, value in data.items():
        try:
            base64.b64decode(value or "", validate=True)
        except binascii.Error as ex:
            raise invalid("Secret", name, f"data[{key}]", "illegal base64 data") from ex
    secret.pop("stringData", None)
    secret["data"] = data
    secret.setdefault("type", "Opaque")


def _check_workload(obj: Json) -> None:
    spec: Json = obj.setdefault("spec", {})
    name = obj["metadata"]["name"]
    spec.setdefault("replicas", 1)
    wanted = part(spec, "selector", "matchLabels")
    if not wanted:
        raise invalid(obj["kind"], name, "spec.selector", "Required value")
    labels = part(spec, "template", "metadata", "labels")
    if any(labels.get(key) != value for key, value in wanted.items()):
        raise invalid(
            obj["kind"],
            name,
            "spec.template.metadata.labels",
            "`selector` does not match template `labels`",
        )
    check_pod_spec(obj["kind"], name, part(spec, "template", "spec"), "spec.template.spec")


_CHECKS: dict[str, Callable[[Json], None]] = {
    "Job": _check_job,
    "Pod": _check_pod,
    "Secret": _check_secret,
    "Deployment": _check_workload,
    "StatefulSet": _check_workload,
}
