"""How objects go: gracefully, by finalizers, and with what they own.

Called by `front` for clients, and by the controllers; `collect` is the garbage collector.
"""

from __future__ import annotations

from tests.kube.kinds import KINDS, Kind, kind_named
from tests.kube.objects import parts
from tests.kube.refusals import Json, conflict
from tests.kube.store import Store, is_removable, now

FOREGROUND = "foregroundDeletion"
_ENDED = {"Succeeded", "Failed"}


def delete(
    store: Store,
    kind: Kind,
    namespace: str,
    name: str,
    *,
    policy: str | None = None,
    grace_s: int | None = None,
    preconditions: Json | None = None,
    dry_run: bool = False,
) -> Json:
    """Ask for an object's deletion; return it as it is then.

    Args:
        policy: `Orphan`, `Background` or `Foreground`; by default `Background`, but `Orphan` for
            jobs, to which a cluster is kind in this way since their first version.

    Raises:
        Refused: 404; 409 if the preconditions aren't met.
    """
    policy = policy or ("Orphan" if kind.name == "Job" else "Background")
    with store.changed:
        obj = store.get(kind, namespace, name)
        metadata = obj["metadata"]
        for field, value in (preconditions or {}).items():
            if value and metadata.get(field) != value:
                raise conflict(kind.qualified, name)
        if dry_run:
            return obj
        if policy == "Orphan":
            _orphan(store, metadata["uid"])
        elif policy == "Foreground" and _dependents(store, metadata["uid"]):
            metadata["finalizers"] = [*parts(metadata, "finalizers"), FOREGROUND]
        if "deletionTimestamp" not in metadata:
            metadata["deletionTimestamp"] = now()
            metadata["deletionGracePeriodSeconds"] = _grace_s(obj, grace_s)
        elif grace_s is not None:
            metadata["deletionGracePeriodSeconds"] = min(
                grace_s, metadata.get("deletionGracePeriodSeconds") or 0
            )
        if is_removable(obj):
            return store.remove(obj)
        return store.overwrite(obj)


def _grace_s(obj: Json, asked_s: int | None) -> int:
    """How long an object may take to go: only pods that run need any time."""
    if obj["kind"] != "Pod" or obj["status"].get("phase") in _ENDED:
        return 0
    if not obj["spec"].get("nodeName"):
        return 0
    if asked_s is not None:
        return asked_s
    return int(obj["spec"].get("terminationGracePeriodSeconds", 30))


def collect(store: Store) -> None:
    """Delete what has lost its owners, and finish what waits only for what it owned."""
    with store.changed:
        uids = {obj["metadata"]["uid"] for obj in _all(store)}
        for obj in _all(store):
            metadata = obj["metadata"]
            owners = parts(metadata, "ownerReferences")
            if owners and not any(owner["uid"] in uids for owner in owners):
                if "deletionTimestamp" not in metadata:
                    _delete(store, obj)
            elif FOREGROUND in parts(metadata, "finalizers"):
                _go_on_foreground(store, obj)


def _go_on_foreground(store: Store, owner: Json) -> None:
    dependents = _dependents(store, owner["metadata"]["uid"])
    for obj in dependents:
        if "deletionTimestamp" not in obj["metadata"]:
            _delete(store, obj)
    if not dependents:
        kept = [f for f in owner["metadata"]["finalizers"] if f != FOREGROUND]
        owner["metadata"]["finalizers"] = kept
        if is_removable(owner):
            store.remove(owner)
        else:
            store.overwrite(owner)


def _delete(store: Store, obj: Json) -> None:
    metadata = obj["metadata"]
    kind = kind_named(obj["kind"])
    delete(store, kind, metadata.get("namespace", ""), metadata["name"], policy="Background")


def _orphan(store: Store, uid: str) -> None:
    for obj in _dependents(store, uid):
        owners = [o for o in obj["metadata"]["ownerReferences"] if o["uid"] != uid]
        obj["metadata"]["ownerReferences"] = owners
        store.overwrite(obj)


def _dependents(store: Store, uid: str) -> list[Json]:
    return [
        obj
        for obj in _all(store)
        if any(owner["uid"] == uid for owner in parts(obj["metadata"], "ownerReferences"))
    ]


def _all(store: Store) -> list[Json]:
    return [obj for kind in KINDS if kind.name != "Event" for obj in store.list(kind.name)]
