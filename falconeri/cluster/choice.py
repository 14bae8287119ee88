"""Which cluster this installation has: the one place that knows the kinds. Called by the daemon."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from falconeri.cluster.base import Cluster
from falconeri.cluster.local import LocalCluster
from falconeri.cluster.local_secrets import read_secret
from falconeri.config import ServerConfig


def open_cluster(config: ServerConfig, on_death: Callable[[], None]) -> Cluster:
    """The cluster that runs workers; made once, by the process that owns them.

    Args:
        on_death: Called when there is a death to take or a job has failed; returns at once.

    Raises:
        Conflict: Another process runs the workers of this state directory.
    """
    return LocalCluster(
        config.state,
        slots=config.local_slots,
        worker_environment={
            "FALCONERI_URL": config.url,
            "FALCONERI_WAIT_URL": config.wait_url,
            "FALCONERI_LOG": config.log_level,
        },
        on_death=on_death,
    )


def secret_reader(config: ServerConfig) -> Callable[[str], Mapping[str, str]]:
    """What reads the cluster's secrets, without owning its workers."""
    return partial(read_secret, config.state / "secrets")
