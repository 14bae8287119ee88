"""Applies `pod_patch`: changes of a pod that no field of a spec makes.

Called by `manifest`, and by falconerid before it makes a job, so that a patch that goes nowhere is
no job's end. Pure.
"""

from __future__ import annotations

import copy
from importlib import import_module
from typing import Any, cast

import msgspec

from falconeri.errors import InvalidSpec
from falconeri.kube.objects import Object, parts
from falconeri.wire.pod_patch import ParsedPatch, PatchOperation

_KEYED = {
    "containers": "name",
    "initContainers": "name",
    "volumes": "name",
    "env": "name",
    "imagePullSecrets": "name",
    "volumeMounts": "mountPath",
}
"""Lists whose elements have a name: they are merged one by one."""


def patched(pod: Object, patch: ParsedPatch) -> Object:
    """The `spec` of a pod after a patch.

    Raises:
        InvalidSpec: A change's place isn't there, or what is left runs no worker.
    """
    if isinstance(patch, list):
        pod = copy.deepcopy(pod)
        for number, change in enumerate(patch):
            pod = _changed(pod, change, f"pod_patch[{number}]")
    else:
        pod = merge(pod, patch)
    _require_worker(pod)
    return pod


def merge(target: Any, patch: Any, key: str | None = None) -> Any:  # noqa: ANN401 - any JSON
    """What a patch makes of something, as `kubectl patch` does it: null removes."""
    if key is not None and isinstance(patch, list) and isinstance(target, list):
        return _merge_named(cast("list[Object]", target), cast("list[Object]", patch), key)
    if not isinstance(patch, dict):
        return cast("Object", patch)
    merged = dict(cast("Object", target)) if isinstance(target, dict) else {}
    for name, value in cast("Object", patch).items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), value, _KEYED.get(name))
    return merged


def _merge_named(target: list[Object], patch: list[Object], key: str) -> list[Object]:
    merged = {element.get(key): element for element in target}
    for element in patch:
        if not isinstance(element, dict) or not element.get(key):  # pyright: ignore[reportUnnecessaryIsInstance] - a user wrote it
            raise InvalidSpec(
                detail=f"pod_patch: an element of a list needs its `{key}`: {element}"
            )
        name = element[key]
        merged[name] = merge(merged.get(name), element)
    return list(merged.values())


def _changed(pod: Object, change: PatchOperation, place: str) -> Object:
    """Apply one change to a copy of ours.

    Raises:
        InvalidSpec: It can't be; the message names it by its number and its path.
    """
    library: Any = import_module("jsonpatch")
    pointers: Any = import_module("jsonpointer")
    where = f"{place}: `{change.op}` {change.path!r}"
    try:
        found: Any = library.apply_patch(pod, [msgspec.to_builtins(change)], in_place=True)
    except library.JsonPatchTestFailed as ex:
        raise InvalidSpec(detail=f"{where}: the pod has another value there") from ex
    except (library.JsonPatchException, pointers.JsonPointerException, TypeError) as ex:
        raise InvalidSpec(detail=f"{where}: the pod has no such place: {ex}") from ex
    if not isinstance(found, dict):
        raise InvalidSpec(detail=f"{where}: a pod's spec is an object")
    return cast("Object", found)


def _require_worker(pod: Object) -> None:
    """Refuse a pod that would never do a datum.

    Raises:
        InvalidSpec: What falconeri lives by is gone.
    """
    try:
        worker = next(each for each in parts(pod, "containers") if each.get("name") == "worker")
        runs_ours = worker["command"][0] == "/falconeri/falconeri-worker"
        restarts = pod["restartPolicy"]
    except (StopIteration, KeyError, IndexError, TypeError, AttributeError):
        runs_ours, restarts = False, "Never"
    if not runs_ours:
        raise InvalidSpec(
            detail="pod_patch: `/containers` must keep the container `worker` with its command"
        )
    if restarts != "Never":
        raise InvalidSpec(
            detail=f"pod_patch: `/restartPolicy` must stay Never, not be {restarts!r}"
        )
