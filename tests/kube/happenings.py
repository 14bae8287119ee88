"""Events, as the controllers record them. Called by all of them."""

from __future__ import annotations

from tests.kube.kinds import kind_named
from tests.kube.objects import parts
from tests.kube.refusals import Json
from tests.kube.store import Store, now


def record(
    store: Store, about: Json, reason: str, message: str, *, source: str, warning: bool = False
) -> None:
    """Record an event about an object; the same one again is only counted."""
    metadata = about["metadata"]
    namespace = metadata.get("namespace") or "default"
    with store.changed:
        for event in store.list("Event", namespace):
            if event["involvedObject"].get("uid") == metadata["uid"] and (
                event["reason"],
                event["message"],
            ) == (reason, message):
                event["count"] += 1
                event["lastTimestamp"] = now()
                store.overwrite(event)
                return
        store.create(
            kind_named("Event"),
            namespace,
            {
                "metadata": {"generateName": f"{metadata['name']}."},
                "involvedObject": {
                    "kind": about["kind"],
                    "apiVersion": about["apiVersion"],
                    "name": metadata["name"],
                    "namespace": namespace,
                    "uid": metadata["uid"],
                },
                "reason": reason,
                "message": message,
                "type": "Warning" if warning else "Normal",
                "source": {"component": source},
                "reportingComponent": source,
                "firstTimestamp": now(),
                "lastTimestamp": now(),
                "count": 1,
            },
        )


def set_condition(
    status: Json, type_: str, *, value: str = "True", reason: str = "", message: str = ""
) -> bool:
    """Set a condition; return whether that changed anything."""
    conditions: list[Json] = status.setdefault("conditions", [])
    for condition in conditions:
        if condition["type"] == type_:
            if (condition["status"], condition.get("reason", "")) == (value, reason):
                return False
            conditions.remove(condition)
            break
    conditions.append(
        {
            "type": type_,
            "status": value,
            "reason": reason,
            "message": message,
            "lastProbeTime": now(),
            "lastTransitionTime": now(),
        }
    )
    return True


def has_condition(obj: Json, type_: str) -> bool:
    """Whether a condition is true."""
    conditions = parts(obj, "status", "conditions")
    return any(c["type"] == type_ and c["status"] == "True" for c in conditions)
