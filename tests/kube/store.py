"""The objects, their versions, and the log that watchers follow.

Called by `front` for clients and by the controllers, which are clients of a kind. Every write is
one step under one lock, as it is one transaction of etcd.
"""

from __future__ import annotations

import copy
import itertools
import secrets
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.kube import rules
from tests.kube.kinds import Kind, kind_named
from tests.kube.objects import part
from tests.kube.refusals import Json, already_exists, conflict, invalid, not_found

Key = tuple[str, str, str]
"""Kind, namespace (empty for what has none), name."""

_SAFE = "bcdfghjklmnpqrstvwxz2456789"


@dataclass(frozen=True)
class Change:
    """One entry of the log."""

    version: int
    type: str
    """ADDED, MODIFIED or DELETED."""
    kind: str
    object: Json
    previous: Json | None


def now() -> str:
    """The time as the API writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Store:
    """All objects. Its methods return copies, which may be changed at will."""

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        """Held for each step; notified by each change."""
        self.log: list[Change] = []
        self.floor = 0
        """The log reaches back to here."""
        self.version = 1
        self._objects: dict[Key, Json] = {}
        self._versions = itertools.count(2)
        for name in ("default", "kube-system"):
            self.create(kind_named("Namespace"), "", {"metadata": {"name": name}})

    def create(self, kind: Kind, namespace: str, obj: Json, *, dry_run: bool = False) -> Json:
        """Add an object.

        Raises:
            Refused: 404 for the namespace, 409, 422.
        """
        obj = copy.deepcopy(obj)
        with self.changed:
            metadata: Json = obj.setdefault("metadata", {})
            if not metadata.get("name"):
                metadata["name"] = _generated(kind, metadata)
            name = metadata["name"]
            if kind.namespaced:
                self.get(kind_named("Namespace"), "", namespace)
                if metadata.setdefault("namespace", namespace) != namespace:
                    raise invalid(kind.name, name, "metadata.namespace", "does not match the URL")
            if (kind.name, namespace, name) in self._objects:
                raise already_exists(kind.qualified, name)
            metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": now(), "generation": 1}
            metadata.pop("deletionTimestamp", None)
            obj |= {"apiVersion": kind.version, "kind": kind.name}
            if "status" in kind.subresources:
                obj["status"] = {"phase": "Pending"} if kind.name == "Pod" else {}
            if kind.name == "Namespace":
                obj["status"] = {"phase": "Active"}
            rules.check_new(kind, obj)
            return obj if dry_run else self._put("ADDED", kind, obj, None)

    def get(self, kind: Kind, namespace: str, name: str) -> Json:
        """An object.

        Raises:
            Refused: 404.
        """
        with self.changed:
            found = self._objects.get((kind.name, namespace, name))
            if found is None:
                raise not_found(kind.qualified, name)
            return copy.deepcopy(found)

    def find(self, kind_name: str, namespace: str, name: str) -> Json | None:
        """An object, or None."""
        with self.changed:
            return copy.deepcopy(self._objects.get((kind_name, namespace, name)))

    def list(
        self,
        kind_name: str,
        namespace: str = "",
        matches: Callable[[Json], bool] = lambda _: True,
    ) -> list[Json]:
        """The objects of a kind, in all namespaces if none is named, by namespace and name."""
        with self.changed:
            return [
                copy.deepcopy(obj)
                for (kind, place, _), obj in sorted(self._objects.items())
                if kind == kind_name and namespace in {"", place} and matches(obj)
            ]

    def change(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        make: Callable[[Json], Json | None],
        *,
        subresource: str = "",
        dry_run: bool = False,
    ) -> Json:
        """Replace an object by what a function makes of a copy (or of itself, if it returns None).

        Only `status` changes by that subresource, and never without it.

        Raises:
            Refused: 404; 409 if the new one names another version than the current; 422.
        """
        with self.changed:
            old = self.get(kind, namespace, name)
            new = copy.deepcopy(old)
            new = make(new) or new
            new.setdefault("metadata", {})
            version = new["metadata"].get("resourceVersion")
            if version and version != old["metadata"]["resourceVersion"]:
                raise conflict(kind.qualified, name)
            if (uid := new["metadata"].get("uid")) and uid != old["metadata"]["uid"]:
                raise conflict(kind.qualified, name)
            if subresource == "status":
                fields = new["metadata"].get("managedFields")
                new = {**copy.deepcopy(old), "status": part(new, "status")}
                if fields:
                    new["metadata"]["managedFields"] = fields
            elif "status" in kind.subresources:
                new["status"] = part(old, "status")
            return self._replace(kind, old, new, dry_run=dry_run)

    def _replace(self, kind: Kind, old: Json, new: Json, *, dry_run: bool) -> Json:
        kept = ("name", "namespace", "uid", "creationTimestamp", "generation", "resourceVersion")
        gone = ("deletionTimestamp", "deletionGracePeriodSeconds")
        for field in (*kept, *gone):
            new["metadata"].pop(field, None)
            if field in old["metadata"]:
                new["metadata"][field] = old["metadata"][field]
        new |= {"apiVersion": kind.version, "kind": kind.name}
        rules.check_changed(kind, old, new)
        if new.get("spec") != old.get("spec"):
            new["metadata"]["generation"] += 1
        if _essence(new) == _essence(old):
            return old
        if dry_run:
            return new
        if is_removable(new):
            return self.remove(new)
        return self._put("MODIFIED", kind, new, old)

    def overwrite(self, obj: Json) -> Json:
        """Put an object as it is: for those parts of the server that no rule binds."""
        kind = kind_named(obj["kind"])
        with self.changed:
            metadata = obj["metadata"]
            old = self.get(kind, metadata.get("namespace", ""), metadata["name"])
            return self._put("MODIFIED", kind, copy.deepcopy(obj), old)

    def remove(self, obj: Json) -> Json:
        """Remove an object at once."""
        with self.changed:
            return self._put("DELETED", kind_named(obj["kind"]), copy.deepcopy(obj), obj)

    def compact(self) -> None:
        """Forget the log, as etcd does each five minutes: watchers of the past get 410."""
        with self.changed:
            self.log.clear()
            self.floor = self.version
            self.changed.notify_all()

    def _put(self, type_: str, kind: Kind, obj: Json, previous: Json | None) -> Json:
        self.version = next(self._versions)
        metadata = obj["metadata"]
        metadata["resourceVersion"] = str(self.version)
        key = (kind.name, metadata.get("namespace", ""), metadata["name"])
        if type_ == "DELETED":
            self._objects.pop(key, None)
        else:
            self._objects[key] = obj
        kept = copy.deepcopy(obj)
        self.log.append(Change(self.version, type_, kind.name, kept, previous))
        self.changed.notify_all()
        return copy.deepcopy(obj)


def is_removable(obj: Json) -> bool:
    """Whether nothing keeps an object whose deletion has been asked for."""
    metadata = obj["metadata"]
    return (
        "deletionTimestamp" in metadata
        and not metadata.get("finalizers")
        and not metadata.get("deletionGracePeriodSeconds")
    )


def _generated(kind: Kind, metadata: Json) -> str:
    prefix = metadata.get("generateName")
    if not prefix:
        raise invalid(kind.name, "", "metadata.name", "name or generateName is required")
    return prefix[:58] + "".join(secrets.choice(_SAFE) for _ in range(5))


def _essence(obj: Json) -> Json:
    """An object but for what changes by itself."""
    metadata = dict(obj["metadata"])
    owners: list[Json] = metadata.pop("managedFields", None) or []
    metadata["owners"] = [{k: v for k, v in owner.items() if k != "time"} for owner in owners]
    return {**obj, "metadata": metadata}
