"""What a job is on Kubernetes: `deploy/job.yaml`, filled in from its spec.

Called by `kubernetes`. Pure: it talks to nobody.
"""

from __future__ import annotations

import copy
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, cast
from uuid import UUID

import msgspec
import yaml
from msgspec import UNSET, Struct, UnsetType, field

from falconeri.cluster.base import RungSpec, WorkersSpec
from falconeri.cluster.patching import merge, patched
from falconeri.duration import parse_duration_s
from falconeri.errors import InvalidSpec
from falconeri.kube.objects import Object
from falconeri.resources import deploy_root
from falconeri.wire.codec import convert
from falconeri.wire.pod_patch import PodPatch, parse_patch
from falconeri.wire.pod_spec import PodSpec, SchedulingSpec, VolumeSpec
from falconeri.wire.spec import ResourceRequests, Secret, Transform

JOB_ID = "falconeri.io/job-id"
"""The label by which a job's objects are found."""

RUNG = "falconeri.io/rung"
"""The label that says which rung's workers a Kubernetes Job is, if not the lowest's."""

LABELS = {"created-by": "falconeri"}

_MAX_NAME = 63
"""Of a Kubernetes Job, which is a label of its pods."""

_TOKEN_SECRET = "falconeri.io/token-secret"  # noqa: S105 - a name
"""The annotation of a Job that says what the Secret with its token is called."""

_BUNDLE = "/opt/falconeri/worker"
"""Where falconeri's image has the worker bundle."""

_SPACE = "/falconeri-space"
"""Where the worker finds `/pfs` and `/scratch` on one mount, with room beside them."""


@dataclass(frozen=True)
class ManifestSettings:
    """What all jobs of an installation have in common."""

    image: str
    """Falconeri's own image, which has the worker bundle."""
    image_pull_policy: str | None
    """Of that image; None: Kubernetes' default."""
    image_volume: bool
    """Whether the bundle is mounted from the image as a volume rather than copied out of it."""
    environment: dict[str, str]
    """Variables of all workers (`FALCONERI_URL`, …)."""


class _Spec(Struct, frozen=True):
    """The parts of a stored spec that concern Kubernetes."""

    transform: Transform
    resource_requests: ResourceRequests
    job_timeout: int | None = None
    node_selector: dict[str, str] = field(default_factory=dict[str, str])
    scheduling_spec: SchedulingSpec = field(default_factory=SchedulingSpec)
    pod: PodSpec = field(default_factory=PodSpec)
    pod_patch: PodPatch | UnsetType = UNSET


def kubernetes_name(job_name: str, rung: int = 0) -> str:
    """The name of the Kubernetes Job that has the workers of a job's rung.

    The end of a job's name, which is random, makes it unique; so that is what a long one keeps.
    """
    if rung == 0:
        return job_name
    suffix = f"-m{rung}"
    return job_name[-(_MAX_NAME - len(suffix)) :].lstrip("-") + suffix


def job_manifest(
    workers: WorkersSpec, settings: ManifestSettings, rung: RungSpec | None = None
) -> Object:
    """The Kubernetes Job of a job, or of a rung of it; suspended, for its token isn't there yet.

    Raises:
        InvalidSpec: The spec isn't what `falconeri.wire.spec.stored_form` makes, or its patch
            doesn't fit.
    """
    try:
        spec = convert(dict(workers.spec), _Spec)
    except msgspec.ValidationError as ex:
        raise InvalidSpec(detail=str(ex)) from ex
    job = copy.deepcopy(_template())
    labels = {JOB_ID: str(workers.job_id)}
    if rung is not None:
        labels[RUNG] = str(rung.rung)
    own = {"annotations": {_TOKEN_SECRET: _new_token_name(workers.job_name)}, "labels": labels}
    name = kubernetes_name(workers.job_name, rung.rung if rung else 0)
    job["metadata"] = merge(job["metadata"], {"name": name, **own})
    job["spec"]["parallelism"] = max(1, rung.workers if rung else workers.parallelism)
    if spec.job_timeout:
        job["spec"]["activeDeadlineSeconds"] = spec.job_timeout
    if spec.pod.keep is not None:
        keep_s = parse_duration_s(spec.pod.keep, name="pod.keep")
        job["spec"]["ttlSecondsAfterFinished"] = keep_s
    template = job["spec"]["template"]
    template["metadata"] = merge(
        template["metadata"],
        {"labels": {**spec.pod.labels, **template["metadata"]["labels"], **labels}},
    )
    if spec.pod.annotations:
        template["metadata"]["annotations"] = spec.pod.annotations
    _fill_pod(job, workers, spec, _of_rung(settings, rung))
    worker = template["spec"]["containers"][0]
    memory = rung.memory if rung else spec.resource_requests.least_memory
    worker["resources"] = _resources(spec.resource_requests, memory)
    if spec.pod_patch is not UNSET:
        template["spec"] = patched(template["spec"], parse_patch(spec.pod_patch))
    return job


def check_patch(spec: Mapping[str, Any]) -> None:
    """Refuse a stored spec whose patch doesn't fit the pod that the rest of it makes.

    Raises:
        InvalidSpec: The message names the change and its path.
    """
    workers = WorkersSpec(UUID(int=0), "checked", spec, 1, "")
    job_manifest(workers, ManifestSettings("image", None, image_volume=False, environment={}))


def token_secret(workers: WorkersSpec, job: Object) -> Object:
    """The Secret with a job's worker token, which goes when its Kubernetes Job goes.

    Args:
        job: As it is in the cluster.
    """
    metadata = job["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": metadata["annotations"][_TOKEN_SECRET],
            "labels": {**LABELS, JOB_ID: str(workers.job_id)},
            "ownerReferences": [
                {
                    "apiVersion": "batch/v1",
                    "kind": "Job",
                    "name": metadata["name"],
                    "uid": metadata["uid"],
                }
            ],
        },
        "immutable": True,
        "stringData": {"POSTGRES_PASSWORD": workers.token},
    }


def _new_token_name(job_name: str) -> str:
    """Another one for each Kubernetes Job.

    So nobody need read a Secret, nor delete one, to tell a token from that of an earlier Job of the
    same name, which goes some time after it.
    """
    return f"{job_name}-token-{secrets.token_hex(4)}"


def _of_rung(settings: ManifestSettings, rung: RungSpec | None) -> ManifestSettings:
    """The same with what tells the workers their rung; always, as no spec may say another one."""
    number = str(rung.rung if rung else 0)
    return replace(settings, environment={**settings.environment, "FALCONERI_RUNG": number})


@cache
def _template() -> Object:
    text = (deploy_root() / "job.yaml").read_text(encoding="utf-8")
    return cast("Object", yaml.safe_load(text))


def _fill_pod(job: Object, workers: WorkersSpec, spec: _Spec, settings: ManifestSettings) -> None:
    pod = job["spec"]["template"]["spec"]
    transform = spec.transform
    if transform.service_account:
        pod["serviceAccountName"] = transform.service_account
        del pod["automountServiceAccountToken"]  # what the account is for, its owner knows
    if selector := {**spec.node_selector, **spec.scheduling_spec.node_selector}:
        pod["nodeSelector"] = selector
    if spec.scheduling_spec.priority_class_name:
        pod["priorityClassName"] = spec.scheduling_spec.priority_class_name
    pod["tolerations"] += [msgspec.to_builtins(one) for one in spec.pod.tolerations]
    if spec.pod.affinity is not None:
        pod["affinity"] = spec.pod.affinity
    if spec.pod.image_pull_secrets:
        pod["imagePullSecrets"] = [{"name": name} for name in spec.pod.image_pull_secrets]
    if spec.pod.run_as_user is not None:
        _restrict(pod, spec.pod.run_as_user)
    pod["volumes"] += [
        {
            "name": "secrets",
            "secret": {
                "secretName": job["metadata"]["annotations"][_TOKEN_SECRET],
                "defaultMode": 0o444,
            },
        },
    ]
    _bring_bundle(pod, settings)
    worker = pod["containers"][0]
    worker["image"] = transform.image
    worker["command"] = ["/falconeri/falconeri-worker", str(workers.job_id)]
    if transform.image_pull_policy:
        worker["imagePullPolicy"] = transform.image_pull_policy
    _give_room(pod, worker, spec.pod)
    shares = {"FALCONERI_SPACE": _SPACE} if spec.pod.scratch is None else {}
    worker["env"] = _variables(transform, {**settings.environment, **shares})
    _mount_secrets(pod, worker, transform.secrets)


def _restrict(pod: Object, user: int) -> None:
    """Make it a restricted pod, in the words of the Pod Security Standards."""
    pod["securityContext"] |= {"runAsNonRoot": True, "runAsUser": user, "fsGroup": user}
    pod["containers"][0]["securityContext"] |= {"capabilities": {"drop": ["ALL"]}}


def _give_room(pod: Object, worker: Object, wanted: PodSpec) -> None:
    """Mount `/pfs` and `/scratch`: parts of one volume, unless they are to lie apart.

    Only within one mount can the worker put the files of the next datum aside, and rename them.
    """
    if wanted.scratch is not None:
        pod["volumes"] += [_volume("pfs", wanted.pfs), _volume("scratch", wanted.scratch)]
        worker["volumeMounts"] += [
            {"name": name, "mountPath": f"/{name}"} for name in ("pfs", "scratch")
        ]
        return
    pod["volumes"].append(_volume("space", wanted.pfs))
    worker["volumeMounts"] += [
        {"name": "space", "mountPath": _SPACE},
        *(
            {"name": "space", "mountPath": f"/{name}", "subPath": name}
            for name in ("pfs", "scratch")
        ),
    ]


def _volume(name: str, wanted: VolumeSpec | None) -> Object:
    if wanted is None:
        return {"name": name, "emptyDir": {}}
    if wanted.storage_class:
        claim = {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": wanted.storage_class,
            "resources": {"requests": {"storage": wanted.size}},
        }
        return {"name": name, "ephemeral": {"volumeClaimTemplate": {"spec": claim}}}
    limits = {"sizeLimit": wanted.size} if wanted.size else {}
    medium = {"medium": "Memory"} if wanted.memory else {}
    return {"name": name, "emptyDir": {**limits, **medium}}


def _bring_bundle(pod: Object, settings: ManifestSettings) -> None:
    """Let the container see the worker bundle at `/falconeri`."""
    policy = settings.image_pull_policy
    if not settings.image_volume:
        init = pod["initContainers"][0]
        init["image"] = settings.image
        if policy:
            init["imagePullPolicy"] = policy
        return
    del pod["initContainers"]
    volume = next(volume for volume in pod["volumes"] if volume["name"] == "falconeri-bin")
    del volume["emptyDir"]
    volume["image"] = {"reference": settings.image, **({"pullPolicy": policy} if policy else {})}
    mounts = pod["containers"][0]["volumeMounts"]
    mount = next(mount for mount in mounts if mount["name"] == "falconeri-bin")
    mount["subPath"] = _BUNDLE.strip("/")


def _resources(wanted: ResourceRequests, memory: str) -> Object:
    """Memory and devices are limits too; processors are shared, as far as nobody asks for them."""
    requests: Object = {"memory": memory, "cpu": f"{round(wanted.cpu * 1000)}m"}
    limits: Object = {"memory": memory}
    extended: Object = {} if wanted.extended is UNSET else dict(wanted.extended)
    if wanted.gpu is not UNSET:
        extended[wanted.gpu.type] = str(wanted.gpu.number)
    return {"requests": {**requests, **extended}, "limits": {**limits, **extended}}


def _variables(transform: Transform, environment: dict[str, str]) -> list[Object]:
    """Later ones win where Kubernetes finds two: ours, and what a program must not choose."""
    fixed: list[Object] = [
        {"name": "FALCONERI_NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "FALCONERI_POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ]
    ours: list[Object] = [{"name": name, "value": value} for name, value in environment.items()]
    taken = {variable["name"] for variable in (*fixed, *ours)}
    given = {"TMPDIR": "/scratch", **transform.env}
    theirs: list[Object] = [
        # $$: Kubernetes would take `$(NAME)` for a variable's value.
        {"name": name, "value": value.replace("$(", "$$(")}
        for name, value in sorted(given.items())
    ]
    for secret in transform.secrets:
        if secret.key is not UNSET and secret.env_var is not UNSET:
            reference: Object = {"name": secret.name, "key": secret.key}
            if secret.optional is True:
                reference["optional"] = True
            theirs.append({"name": secret.env_var, "valueFrom": {"secretKeyRef": reference}})
    last = {variable["name"]: variable for variable in theirs if variable["name"] not in taken}
    return [*fixed, *ours, *last.values()]


def _mount_secrets(pod: Object, worker: Object, wanted: list[Secret]) -> None:
    """Mount each secret where the spec wants it; a secret that is wanted twice is one volume."""
    volumes: dict[str, str] = {}
    for secret in wanted:
        if secret.mount_path is UNSET:
            continue
        if secret.name not in volumes:
            volumes[secret.name] = f"transform-secret-{len(volumes)}"
            pod["volumes"].append(
                {"name": volumes[secret.name], "secret": {"secretName": secret.name}}
            )
        mount = {"name": volumes[secret.name], "mountPath": secret.mount_path, "readOnly": True}
        worker["volumeMounts"].append(mount)
