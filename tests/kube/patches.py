"""Merge, strategic merge and JSON patches. Called by `front`; `ownership` does the fourth kind."""

# Any JSON comes through here:
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import copy
from typing import Any

from tests.kube.refusals import Json, Refused, bad_request

MERGE_KEYS: dict[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "ephemeralContainers": ("name",),
    "volumes": ("name",),
    "env": ("name",),
    "imagePullSecrets": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "ports": ("containerPort", "port", "protocol"),
    "ownerReferences": ("uid",),
    "conditions": ("type",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "hostAliases": ("ip",),
}
"""The lists that are maps of a kind: by which fields their elements are told apart."""

_DEFAULTS = {"protocol": "TCP"}


def element_key(field: str, element: Json) -> dict[str, Any]:
    """What tells an element of such a list apart."""
    keys = {key: element.get(key, _DEFAULTS.get(key)) for key in MERGE_KEYS[field]}
    return {key: value for key, value in keys.items() if value is not None}


def is_keyed(field: str, value: Any) -> bool:  # noqa: ANN401 - any JSON
    """Whether a field's value is such a list."""
    return (
        field in MERGE_KEYS and isinstance(value, list) and all(isinstance(e, dict) for e in value)
    )


def merge_patch(target: Any, patch: Any) -> Any:  # noqa: ANN401 - any JSON
    """RFC 7386."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    merged: Json = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def strategic_merge_patch(target: Any, patch: Any, field: str = "") -> Any:  # noqa: ANN401 - any JSON
    """As `kubectl patch` does it: some lists are merged by their elements' names."""
    if is_keyed(field, patch) and isinstance(target, list):
        return _merge_elements(field, target, patch)
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    if patch.get("$patch") == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    merged: Json = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if key.startswith("$"):
            continue
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = strategic_merge_patch(merged.get(key), value, key)
    return merged


def _merge_elements(field: str, target: list[Json], patch: list[Json]) -> list[Json]:
    merged = list(target)
    for element in patch:
        key = element_key(field, element)
        place = next((i for i, e in enumerate(merged) if element_key(field, e) == key), None)
        if element.get("$patch") == "delete":
            if place is not None:
                del merged[place]
        elif place is None:
            merged.append(copy.deepcopy(element))
        else:
            merged[place] = strategic_merge_patch(merged[place], element)
    return merged


def json_patch(target: Json, operations: Any) -> Json:  # noqa: ANN401 - any JSON
    """RFC 6902.

    Raises:
        Refused: 400 for what is no patch, 422 for one that doesn't fit.
    """
    if not isinstance(operations, list):
        raise bad_request("a JSON patch is a list of operations")
    patched = {"": copy.deepcopy(target)}
    for operation in operations:
        try:
            _operate(patched, operation)
        except (KeyError, IndexError, ValueError, TypeError) as ex:
            raise Refused(
                422, "Invalid", f"the server rejected our request: {operation}: {ex}"
            ) from ex
    return patched[""]


def _operate(document: Json, operation: Json) -> None:
    kind = operation["op"]
    parent, key = _locate(document, operation["path"])
    if kind == "test":
        if _get(parent, key) != operation["value"]:
            raise ValueError("test failed")
    elif kind == "remove":
        del parent[key]
    elif kind == "replace":
        _get(parent, key)
        parent[key] = operation["value"]
    elif kind in {"add", "move", "copy"}:
        _add(parent, key, _new_value(document, operation))
    else:
        raise ValueError(f"unknown operation {kind}")


def _new_value(document: Json, operation: Json) -> Any:  # noqa: ANN401 - any JSON
    if operation["op"] == "add":
        return operation["value"]
    source, key = _locate(document, operation["from"])
    value = copy.deepcopy(_get(source, key))
    if operation["op"] == "move":
        del source[key]
    return value


def _add(parent: Any, key: Any, value: Any) -> None:  # noqa: ANN401 - any JSON
    if isinstance(parent, list):
        parent.insert(key, value)
    else:
        parent[key] = value


def _get(parent: Any, key: Any) -> Any:  # noqa: ANN401 - any JSON
    return parent[key]


def _locate(document: Json, path: str) -> tuple[Any, Any]:
    """The container that a JSON pointer's last part is in, and that part as its key."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")]
    if len(parts) > 1 and parts[0]:
        raise ValueError(f"no JSON pointer: {path}")
    found: Any = document
    for part in parts[:-1]:
        found = found[int(part) if isinstance(found, list) else part]
    last: Any = parts[-1]
    if isinstance(found, list):
        last = len(found) if last == "-" else int(last)
    return found, last
