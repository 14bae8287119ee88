"""Which cluster this installation has: the one place that knows the kinds. Called by the daemon."""

# Each kind is imported by whom needs it: `serve` needs none, and Kubernetes' client takes seconds.
# ruff: noqa: PLC0415

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from falconeri.cluster.base import Cluster
from falconeri.cluster.local_secrets import read_secret
from falconeri.config import ServerConfig


def open_cluster(config: ServerConfig, on_death: Callable[[], None]) -> Cluster:
    """The cluster that runs workers; made once, by the process that owns them.

    Args:
        on_death: Called when there is a death to take or a job has failed; returns at once.

    Raises:
        Conflict: Another process runs the workers of this state directory.
        InvalidArgument: There is no Kubernetes to talk to.
    """
    if config.cluster == "kubernetes":
        return _open_kubernetes(config, on_death)
    from falconeri.cluster.local import LocalCluster

    return LocalCluster(
        config.state,
        slots=config.local_slots,
        worker_environment=_worker_environment(config),
        on_death=on_death,
    )


def secret_reader(config: ServerConfig) -> Callable[[str], Mapping[str, str]]:
    """What reads the cluster's secrets, without owning its workers."""
    if config.cluster == "kubernetes":
        return _kubernetes_secrets(config)
    return partial(read_secret, config.state / "secrets")


def _worker_environment(config: ServerConfig) -> dict[str, str]:
    return {
        "FALCONERI_URL": config.url,
        "FALCONERI_WAIT_URL": config.wait_url,
        "FALCONERI_LOG": config.log_level,
    }


def _open_kubernetes(config: ServerConfig, on_death: Callable[[], None]) -> Cluster:
    from falconeri.cluster.kubernetes import KubernetesCluster
    from falconeri.cluster.manifest import ManifestSettings
    from falconeri.kube.api import KubeApi

    settings = ManifestSettings(
        image=config.image,
        image_pull_policy=config.image_pull_policy,
        image_volume=config.image_volume,
        environment=_worker_environment(config),
    )
    api = KubeApi.connect(
        namespace=config.namespace, context=config.kube_context, manager="falconerid"
    )
    return KubernetesCluster(api, settings, on_death=on_death)


def _kubernetes_secrets(config: ServerConfig) -> Callable[[str], Mapping[str, str]]:
    from falconeri.cluster.kubernetes import read_secret as read
    from falconeri.kube.api import KubeApi

    return partial(
        read,
        KubeApi.connect(
            namespace=config.namespace, context=config.kube_context, manager="falconerid"
        ),
    )
