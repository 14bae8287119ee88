"""What clients may do to objects. Called by `front`, which has read the request.

Each method's name is the verb that rules of access have for it, and each returns the code and the
body of the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from tests.kube import ownership, patches, schema
from tests.kube.deletion import delete
from tests.kube.kinds import Kind
from tests.kube.objects import part
from tests.kube.refusals import Json, Refused, bad_request, conflict
from tests.kube.store import Store, now
from tests.kube.watching import Query, selection

APPLY = "application/apply-patch+yaml"

Answer = tuple[int, Json]


@dataclass(frozen=True)
class Target:
    """What a path names."""

    kind: Kind
    namespace: str
    name: str
    subresource: str


class Verbs:
    """The verbs but for list and watch."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, at: Target, _query: Query, _body: Any, _type: str, _agent: str) -> Answer:  # noqa: ANN401
        obj = self._store.get(at.kind, at.namespace, at.name)
        return 200, _scale(obj) if at.subresource == "scale" else obj

    def create(self, at: Target, query: Query, body: Any, _type: str, agent: str) -> Answer:  # noqa: ANN401
        if at.subresource == "eviction":
            return self._evict(at, body or {})
        obj = _read(at, query, body)
        manager = query.get("fieldManager") or agent
        ownership.track({}, obj, manager=manager, at=now())
        return 201, self._store.create(at.kind, at.namespace, obj, dry_run=_is_dry(query))

    def update(self, at: Target, query: Query, body: Any, _type: str, agent: str) -> Answer:  # noqa: ANN401
        new = _read(at, query, body)

        def make(_: Json) -> Json:
            return new

        return 200, self._change(at, query, agent, make)

    def patch(self, at: Target, query: Query, body: Any, type_: str, agent: str) -> Answer:  # noqa: ANN401
        if type_ == APPLY:
            return self._apply(at, query, body)
        if at.subresource == "scale":
            body = {"spec": {"replicas": body["spec"]["replicas"]}}

        def make(old: Json) -> Json:
            if type_ == "application/json-patch+json":
                new = patches.json_patch(old, body)
            elif type_ == "application/merge-patch+json":
                new = patches.merge_patch(old, body)
            elif type_ == "application/strategic-merge-patch+json":
                new = patches.strategic_merge_patch(old, body)
            else:
                raise Refused(415, "UnsupportedMediaType", f"unsupported patch type {type_!r}")
            return _read(at, query, new)

        return 200, self._change(at, query, agent, make)

    def delete(self, at: Target, query: Query, body: Any, _type: str, _agent: str) -> Answer:  # noqa: ANN401
        return 200, self._delete(at, query, body, at.name)

    def deletecollection(
        self,
        at: Target,
        query: Query,
        body: Any,  # noqa: ANN401
        _type: str,
        _agent: str,
    ) -> Answer:
        found = self._store.list(at.kind.name, at.namespace, selection(at.kind, query))
        for obj in found:
            self._delete(at, query, body, obj["metadata"]["name"])
        return 200, {"kind": "Status", "apiVersion": "v1", "status": "Success", "metadata": {}}

    def _change(self, at: Target, query: Query, agent: str, make: Any) -> Json:  # noqa: ANN401
        def make_and_track(old: Json) -> Json:
            new = make(old)
            new.setdefault("metadata", {}).setdefault("name", at.name)
            if new["metadata"]["name"] != at.name:
                raise bad_request("the name of the object does not match the name on the URL")
            ownership.track(
                old,
                new,
                manager=query.get("fieldManager") or agent,
                at=now(),
                subresource=at.subresource,
            )
            return new

        return self._store.change(
            at.kind,
            at.namespace,
            at.name,
            make_and_track,
            subresource=at.subresource,
            dry_run=_is_dry(query),
        )

    def _apply(self, at: Target, query: Query, body: Any) -> Answer:  # noqa: ANN401
        manager = query.get("fieldManager")
        if not manager:
            raise Refused(422, "Invalid", "PatchOptions is invalid: fieldManager: Required value")
        config = _object(body)
        if not config.get("apiVersion") or not config.get("kind"):
            raise bad_request("an applied object has an apiVersion and a kind")
        if unknown := schema.unknown_fields(at.kind, config):
            raise Refused(
                500,
                "InternalError",
                f"failed to create typed patch object: {unknown[0]}: field not declared in schema",
            )
        schema.check(at.kind, config)
        if part(config, "metadata").get("managedFields"):
            raise bad_request("metadata.managedFields must be nil")
        force = query.get("force") in {"true", "True"}
        with self._store.changed:
            if self._store.find(at.kind.name, at.namespace, at.name) is None:
                return self._apply_new(at, query, config, manager)
            changed = self._store.change(
                at.kind,
                at.namespace,
                at.name,
                lambda old: ownership.apply(old, config, manager=manager, force=force, at=now()),
                subresource=at.subresource,
                dry_run=_is_dry(query),
            )
        return 200, changed

    def _apply_new(self, at: Target, query: Query, config: Json, manager: str) -> Answer:
        if config.get("metadata", {}).get("uid"):
            raise conflict(at.kind.qualified, at.name)
        obj = ownership.apply(None, config, manager=manager, force=False, at=now())
        obj["metadata"]["name"] = at.name
        return 201, self._store.create(at.kind, at.namespace, obj, dry_run=_is_dry(query))

    def _delete(self, at: Target, query: Query, body: Any, name: str) -> Json:  # noqa: ANN401
        options: Json = body or {}
        grace = options.get("gracePeriodSeconds", query.get("gracePeriodSeconds"))
        return delete(
            self._store,
            at.kind,
            at.namespace,
            name,
            policy=options.get("propagationPolicy") or query.get("propagationPolicy"),
            grace_s=None if grace is None else int(grace),
            preconditions=options.get("preconditions"),
            dry_run=_is_dry(query) or bool(options.get("dryRun")),
        )

    def _evict(self, at: Target, body: Json) -> Answer:
        options = part(body, "deleteOptions")
        with self._store.changed:
            self._store.change(
                at.kind,
                at.namespace,
                at.name,
                lambda pod: mark_disrupted(pod, "EvictionByEvictionAPI", "Eviction API: evicting"),
                subresource="status",
            )
            delete(
                self._store,
                at.kind,
                at.namespace,
                at.name,
                grace_s=options.get("gracePeriodSeconds"),
            )
        return 201, {"kind": "Status", "apiVersion": "v1", "status": "Success", "metadata": {}}


def mark_disrupted(pod: Json, reason: str, message: str) -> Json:
    """Note that the cluster, not the pod, is the cause of what follows."""
    conditions = pod["status"].setdefault("conditions", [])
    conditions.append(
        {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": reason,
            "message": message,
            "lastTransitionTime": now(),
        }
    )
    return pod


def _read(at: Target, query: Query, body: Any) -> Json:  # noqa: ANN401
    obj = _object(body)
    if at.subresource != "scale":
        unknown = schema.unknown_fields(at.kind, obj)
        if unknown and query.get("fieldValidation") == "Strict":
            raise bad_request(f"strict decoding error: unknown field {unknown[0].strip('.')!r}")
        schema.prune(at.kind, obj)
        schema.check(at.kind, obj)
    return obj


def _object(body: Any) -> Json:  # noqa: ANN401
    if not isinstance(body, dict):
        raise bad_request("the body of the request is no object")
    return cast("Json", body)


def _is_dry(query: Query) -> bool:
    if query.get("dryRun", "All") != "All":
        raise bad_request("dryRun: Unsupported value")
    return "dryRun" in query


def _scale(obj: Json) -> Json:
    metadata = {k: obj["metadata"][k] for k in ("name", "namespace", "uid", "resourceVersion")}
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": metadata,
        "spec": {"replicas": obj["spec"].get("replicas", 1)},
        "status": {"replicas": obj.get("status", {}).get("replicas", 0)},
    }
