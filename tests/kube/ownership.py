"""Who set which field (`metadata.managedFields`), and server-side apply. Called by `front`.

A path is a tuple of the words that `fieldsV1` has: `f:spec`, `k:{"name":"worker"}`.
"""

# Any JSON comes through here:
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.kube.patches import element_key, is_keyed
from tests.kube.refusals import Json, Refused

Path = tuple[str, ...]

_UNOWNED = {
    *("name", "namespace", "uid", "resourceVersion", "creationTimestamp", "generation"),
    *("managedFields", "deletionTimestamp", "deletionGracePeriodSeconds", "generateName"),
}


def track(old: Json, new: Json, *, manager: str, at: str, subresource: str = "") -> None:
    """Note in `new` that a manager has changed what differs from `old` by something else."""
    owners = _owners(old)
    before, after = dict(_leaves(_owned(old))), dict(_leaves(_owned(new)))
    changed = {path for path, value in after.items() if before.get(path, _NOTHING) != value}
    mine = (manager, "Update", subresource)
    for who in owners:
        owners[who] &= after.keys()
        if who != mine:
            owners[who] -= changed
    owners.setdefault(mine, set()).update(changed)
    _note(new, owners, at=at)


def apply(current: Json | None, config: Json, *, manager: str, force: bool, at: str) -> Json:
    """Return the object after a server-side apply.

    Raises:
        Refused: 409, other managers have set some of these fields to something else.
    """
    wanted = dict(_leaves(_owned(config)))
    mine = (manager, "Apply", "")
    if current is None:
        created = copy.deepcopy(config)
        _note(created, {mine: set(wanted)}, at=at)
        return created
    owners = _owners(current)
    present = dict(_leaves(_owned(current)))
    clashes = {
        (who[0], path)
        for who, paths in owners.items()
        if who != mine
        for path in paths & wanted.keys()
        if present.get(path, _NOTHING) != wanted[path]
    }
    if clashes and not force:
        raise _clash(clashes)
    result = _merge(copy.deepcopy(current), config)
    gone = owners.get(mine, set()) - wanted.keys()
    for who in owners:
        if who != mine:
            owners[who] -= {path for _, path in clashes}
            gone -= owners[who]
    for path in sorted(gone, key=len):  # an element before what tells it apart
        _remove(result, path)
    owners[mine] = set(wanted)
    _note(result, owners, at=at)
    return result


def _clash(clashes: set[tuple[str, Path]]) -> Refused:
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": f'conflict with "{manager}"',
            "field": "".join(f".{word.partition(':')[2]}" for word in path),
        }
        for manager, path in sorted(clashes)
    ]
    fields = ", ".join(sorted({cause["field"] for cause in causes}))
    return Refused(
        409,
        "Conflict",
        f"Apply failed with {len(causes)} conflict(s): {fields}",
        causes=causes,
    )


_NOTHING = object()


def _owned(obj: Json) -> Json:
    """What of an object can have an owner."""
    kept = {k: v for k, v in obj.items() if k not in {"apiVersion", "kind"}}
    kept["metadata"] = {k: v for k, v in obj.get("metadata", {}).items() if k not in _UNOWNED}
    return kept


def _leaves(value: Any, path: Path = (), field: str = "") -> Iterator[tuple[Path, Any]]:  # noqa: ANN401 - any JSON
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, (*path, f"f:{key}"), key)
    elif is_keyed(field, value) and value:
        for element in value:
            inner_path = (*path, _word(field, element))
            yield inner_path, "present"
            yield from _leaves(element, inner_path)
    elif path and value is not None and value != {}:
        yield path, value


def _word(field: str, element: Json) -> str:
    return "k:" + json.dumps(element_key(field, element), sort_keys=True, separators=(",", ":"))


def _merge(target: Any, config: Any, field: str = "") -> Any:  # noqa: ANN401 - any JSON
    if is_keyed(field, config) and isinstance(target, list):
        for element in config:
            word = _word(field, element)
            place = next((i for i, e in enumerate(target) if _word(field, e) == word), None)
            if place is None:
                target.append(copy.deepcopy(element))
            else:
                target[place] = _merge(target[place], element)
        return target
    if isinstance(config, dict) and isinstance(target, dict):
        for key, value in config.items():
            if value is not None and key != "managedFields":
                target[key] = _merge(target.get(key), value, key)
        return target
    return copy.deepcopy(config)


def _remove(obj: Any, path: Path) -> None:  # noqa: ANN401 - any JSON
    """Remove what a path leads to, if it is still there."""
    *parents, last = path
    field = ""
    for word in parents:
        obj = _step(obj, word, field)
        field = word.partition(":")[2]
        if obj is None:
            return
    if last.startswith("f:") and isinstance(obj, dict):
        obj.pop(last[2:], None)
    elif last.startswith("k:") and isinstance(obj, list):
        obj[:] = [e for e in obj if _word(field, e) != last]


def _step(obj: Any, word: str, field: str) -> Any:  # noqa: ANN401 - any JSON
    if word.startswith("f:"):
        return obj.get(word[2:]) if isinstance(obj, dict) else None
    return next((e for e in obj or [] if _word(field, e) == word), None)


Owner = tuple[str, str, str]
"""Manager, operation (`Apply`, `Update`), subresource."""


def _owners(obj: Json) -> dict[Owner, set[Path]]:
    return {
        (entry["manager"], entry["operation"], entry.get("subresource", "")): set(
            _paths(entry["fieldsV1"])
        )
        for entry in obj.get("metadata", {}).get("managedFields") or []
    }


def _note(obj: Json, owners: Mapping[Owner, set[Path]], *, at: str) -> None:
    obj.setdefault("metadata", {})["managedFields"] = [
        {
            "manager": manager,
            "operation": operation,
            "apiVersion": obj.get("apiVersion", "v1"),
            "time": at,
            "fieldsType": "FieldsV1",
            "fieldsV1": _tree(paths),
            **({"subresource": subresource} if subresource else {}),
        }
        for (manager, operation, subresource), paths in owners.items()
        if paths
    ]


def _tree(paths: set[Path]) -> Json:
    tree: Json = {}
    ends: list[Json] = []
    for path in paths:
        node = tree
        for word in path:
            node = node.setdefault(word, {})
        ends.append(node)
    for node in ends:
        if node:
            node["."] = {}
    return tree


def _paths(tree: Json, path: Path = ()) -> Iterator[Path]:
    if not tree and path:
        yield path
    for word, inner in tree.items():
        if word == ".":
            yield path
        else:
            yield from _paths(inner, (*path, word))
