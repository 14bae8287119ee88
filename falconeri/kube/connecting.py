"""Finds the cluster, as `kubectl` does: the kubeconfig file's, else the one that we are a pod of.

Called by `api`. Nothing is sent.
"""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any

from falconeri.errors import InvalidArgument
from falconeri.kube.objects import Object, part

_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_CONNECTIONS = 8


def connect(context: str | None) -> tuple[Any, str]:
    """The official client, which is untyped, and the namespace that the settings name.

    Args:
        context: Of the kubeconfig file; None for its current one, or the pod that we are.

    Raises:
        InvalidArgument: There is no cluster, no such context, or the file is none.
    """
    config: Any = import_module("kubernetes.config")
    generated: Any = import_module("kubernetes.client")
    settings: Any = generated.Configuration()
    try:
        if context is None and _is_pods_business():
            config.load_incluster_config(client_configuration=settings)
            namespace = _NAMESPACE_FILE.read_text().strip()
        else:
            namespace = _load_file(config, settings, context)
    except (
        config.ConfigException,
        OSError,
        TypeError,
        LookupError,
        StopIteration,
        ValueError,
    ) as ex:
        raise InvalidArgument(
            "no Kubernetes cluster to talk to",
            detail=str(ex),
            hint="`kubectl config get-contexts` lists what there is; KUBECONFIG names the file; "
            "a pod needs its service account's token",
        ) from ex
    settings.retries = False  # callers know better when to try again
    settings.connection_pool_maxsize = _CONNECTIONS
    return generated.ApiClient(settings), namespace


def _is_pods_business() -> bool:
    """Whether we are a pod that nobody has given a kubeconfig file."""
    if "KUBERNETES_SERVICE_HOST" not in os.environ or os.environ.get("KUBECONFIG"):
        return False
    home = os.environ.get("HOME")
    return not (home and (Path(home) / ".kube" / "config").is_file())


def _load_file(config: Any, settings: Any, context: str | None) -> str:  # noqa: ANN401 - untyped
    file = os.environ.get("KUBECONFIG")  # the client looks only when it is imported
    contexts, current = config.list_kube_config_contexts(file)
    config.load_kube_config(file, context=context, client_configuration=settings)
    chosen: Object = current if context is None else _named(contexts, context)
    return part(chosen, "context").get("namespace") or "default"


def _named(contexts: list[Object], name: str) -> Object:
    return next(context for context in contexts if context["name"] == name)
