"""Deployments and StatefulSets: only their status, as if their pods ran. Called by `cluster`."""

from __future__ import annotations

from tests.kube.happenings import set_condition
from tests.kube.refusals import Json
from tests.kube.store import Store


class Workloads:
    """Makes what is deployed become ready, or not."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.broken: set[str] = set()
        """The names of those whose pods never become ready."""

    def reconcile(self) -> None:
        """Bring all statuses up to date."""
        for kind in ("Deployment", "StatefulSet"):
            for obj in self._store.list(kind):
                self._settle(obj)

    def _settle(self, obj: Json) -> None:
        replicas = obj["spec"]["replicas"]
        ready = 0 if obj["metadata"]["name"] in self.broken else replicas
        status: Json = {
            **obj.get("status", {}),
            "observedGeneration": obj["metadata"]["generation"],
            "replicas": replicas,
            "updatedReplicas": replicas,
            "readyReplicas": ready,
            "availableReplicas": ready,
        }
        if obj["kind"] == "Deployment":
            status["unavailableReplicas"] = replicas - ready
            is_up = ready == replicas
            set_condition(
                status,
                "Available",
                value=str(is_up),
                reason="MinimumReplicasAvailable" if is_up else "MinimumReplicasUnavailable",
            )
        else:
            status |= {"currentReplicas": replicas, "currentRevision": "1", "updateRevision": "1"}
        if status != obj.get("status"):
            with self._store.changed:
                place = obj["metadata"]["namespace"], obj["metadata"]["name"]
                current = self._store.find(obj["kind"], *place)
                if current is not None:
                    current["status"] = status
                    self._store.overwrite(current)
