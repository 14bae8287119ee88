"""The scheduler: gives pods to nodes, or says why it can't. Called by `cluster`."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from tests.kube.happenings import has_condition, record, set_condition
from tests.kube.kinds import kind_named
from tests.kube.objects import amount, part, parts
from tests.kube.refusals import Json
from tests.kube.store import Store, now

_ENDED = {"Succeeded", "Failed"}
_SOURCE = "default-scheduler"
_POD = kind_named("Pod")


class Scheduler:
    """Looks after pods that have no node yet."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.refusal: str | None = None
        """What is wrong with all nodes, if a test wants so."""

    def schedule(self) -> None:
        """Give each waiting pod to the node that has the least to do, if one fits."""
        for pod in self._store.list("Pod"):
            if not pod["spec"].get("nodeName") and "deletionTimestamp" not in pod["metadata"]:
                self._place(pod)

    def _place(self, pod: Json) -> None:
        nodes = self._store.list("Node")
        verdicts = {node["metadata"]["name"]: self._why_not(pod, node) for node in nodes}
        fitting = [name for name, why_not in verdicts.items() if why_not is None]
        if not fitting:
            self._give_up(pod, len(nodes), Counter(why for why in verdicts.values() if why))
            return
        load = Counter(p["spec"].get("nodeName") for p in self._store.list("Pod"))
        node = min(fitting, key=lambda name: load[name])
        with self._store.changed:
            current = self._store.find("Pod", pod["metadata"]["namespace"], _name(pod))
            if current is None or "deletionTimestamp" in current["metadata"]:
                return
            current["spec"]["nodeName"] = node
            set_condition(current["status"], "PodScheduled")
            current["status"]["startTime"] = now()
            self._store.overwrite(current)
        place = f"{pod['metadata']['namespace']}/{_name(pod)}"
        record(
            self._store,
            pod,
            "Scheduled",
            f"Successfully assigned {place} to {node}",
            source=_SOURCE,
        )

    def _give_up(self, pod: Json, count: int, reasons: Counter[str]) -> None:
        told = ", ".join(f"{number} {reason}" for reason, number in sorted(reasons.items()))
        message = f"0/{count} nodes are available: {told}."
        with self._store.changed:
            current = self._store.find("Pod", pod["metadata"]["namespace"], _name(pod))
            if current is None or not set_condition(
                current["status"],
                "PodScheduled",
                value="False",
                reason="Unschedulable",
                message=message,
            ):
                return
            self._store.overwrite(current)
        record(self._store, pod, "FailedScheduling", message, source=_SOURCE, warning=True)

    def _why_not(self, pod: Json, node: Json) -> str | None:
        if self.refusal is not None:
            return self.refusal
        if not has_condition(node, "Ready"):
            return "node(s) had untolerated taint(s)"
        labels = part(node["metadata"], "labels")
        selector = part(pod["spec"], "nodeSelector")
        if any(labels.get(key) != value for key, value in selector.items()):
            return "node(s) didn't match Pod's node affinity/selector"
        if any(not _tolerates(pod, taint) for taint in parts(node["spec"], "taints")):
            return "node(s) had untolerated taint(s)"
        used = [
            other
            for other in self._store.list("Pod")
            if other["spec"].get("nodeName") == node["metadata"]["name"]
            and other["status"].get("phase") not in _ENDED
        ]
        for resource in _requested_resources(pod):
            room = amount(node["status"]["allocatable"].get(resource, "0"))
            taken = sum((_request(other, resource) for other in used), Decimal(0))
            if taken + _request(pod, resource) > room:
                return f"Insufficient {resource}"
        return None


def _name(pod: Json) -> str:
    return pod["metadata"]["name"]


def _tolerates(pod: Json, taint: Json) -> bool:
    if taint["effect"] == "PreferNoSchedule":
        return True
    return any(
        t.get("key") in {None, taint["key"]}
        and t.get("effect") in {None, taint["effect"]}
        and (t.get("operator") == "Exists" or t.get("value", "") == taint.get("value", ""))
        for t in parts(pod["spec"], "tolerations")
    )


def _requested_resources(pod: Json) -> set[str]:
    return {
        resource
        for container in pod["spec"]["containers"]
        for resource in _requests(container)
        if resource != "ephemeral-storage"
    }


def _request(pod: Json, resource: str) -> Decimal:
    return sum(
        (
            amount(_requests(container).get(resource, "0"))
            for container in pod["spec"]["containers"]
        ),
        Decimal(0),
    )


def _requests(container: Json) -> Json:
    resources = part(container, "resources")
    return {**part(resources, "limits"), **part(resources, "requests")}
