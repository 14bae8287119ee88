"""The kinds of objects that the API server knows. Read by nearly all modules beside it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """One kind: how it is called, and where its objects are found."""

    name: str
    plural: str
    version: str
    """`v1`, or `batch/v1`."""
    namespaced: bool = True
    subresources: tuple[str, ...] = ()

    @property
    def group(self) -> str:
        """Empty for the core."""
        return self.version.rpartition("/")[0]

    @property
    def qualified(self) -> str:
        """The plural as messages have it: `jobs.batch`, `pods`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


_WORKLOAD = ("status", "scale")

KINDS = (
    Kind("Pod", "pods", "v1", subresources=("status", "log", "eviction")),
    Kind("Secret", "secrets", "v1"),
    Kind("Event", "events", "v1"),
    Kind("ConfigMap", "configmaps", "v1"),
    Kind("Service", "services", "v1", subresources=("status",)),
    Kind("ServiceAccount", "serviceaccounts", "v1"),
    Kind("PersistentVolumeClaim", "persistentvolumeclaims", "v1", subresources=("status",)),
    Kind("ResourceQuota", "resourcequotas", "v1", subresources=("status",)),
    Kind("LimitRange", "limitranges", "v1"),
    Kind("Namespace", "namespaces", "v1", namespaced=False, subresources=("status",)),
    Kind("Node", "nodes", "v1", namespaced=False, subresources=("status",)),
    Kind("Job", "jobs", "batch/v1", subresources=("status",)),
    Kind("CronJob", "cronjobs", "batch/v1", subresources=("status",)),
    Kind("Deployment", "deployments", "apps/v1", subresources=_WORKLOAD),
    Kind("StatefulSet", "statefulsets", "apps/v1", subresources=_WORKLOAD),
    Kind("ReplicaSet", "replicasets", "apps/v1", subresources=_WORKLOAD),
    Kind("DaemonSet", "daemonsets", "apps/v1", subresources=("status",)),
    Kind("Role", "roles", "rbac.authorization.k8s.io/v1"),
    Kind("RoleBinding", "rolebindings", "rbac.authorization.k8s.io/v1"),
    Kind("ClusterRole", "clusterroles", "rbac.authorization.k8s.io/v1", namespaced=False),
    Kind(
        "ClusterRoleBinding",
        "clusterrolebindings",
        "rbac.authorization.k8s.io/v1",
        namespaced=False,
    ),
    Kind("PodDisruptionBudget", "poddisruptionbudgets", "policy/v1", subresources=("status",)),
    Kind("NetworkPolicy", "networkpolicies", "networking.k8s.io/v1"),
    Kind("Ingress", "ingresses", "networking.k8s.io/v1", subresources=("status",)),
    Kind("PriorityClass", "priorityclasses", "scheduling.k8s.io/v1", namespaced=False),
    Kind("StorageClass", "storageclasses", "storage.k8s.io/v1", namespaced=False),
    Kind("Lease", "leases", "coordination.k8s.io/v1"),
)

_BY_PLACE = {(kind.version, kind.plural): kind for kind in KINDS}
_BY_NAME = {kind.name: kind for kind in KINDS}


def find_kind(version: str, plural: str) -> Kind | None:
    """The kind whose objects live below a path."""
    return _BY_PLACE.get((version, plural))


def kind_named(name: str) -> Kind:
    """The kind of that name."""
    return _BY_NAME[name]
