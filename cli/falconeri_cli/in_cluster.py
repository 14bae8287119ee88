"""The falconerid of a Kubernetes cluster, as `falconeri proxy` brings it to this machine.

Called by `connection` and the database commands, where neither settings nor a local stack say where
to go. The passwords are in the cluster's secrets, and whoever may not read those is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from falconeri.errors import Unavailable

if TYPE_CHECKING:
    from falconeri.kube.api import KubeApi

# The official client takes a second to import.
# ruff: noqa: PLC0415

PORT = 8089
DATABASE_PORT = 5432


def is_known(environ: Mapping[str, str]) -> bool:
    """Whether there are settings of `kubectl` at all."""
    if "KUBECONFIG" in environ:
        return bool(environ["KUBECONFIG"])
    home = environ.get("HOME")
    return home is not None and (Path(home) / ".kube" / "config").is_file()


def url(environ: Mapping[str, str]) -> str:
    """Where `falconeri proxy` puts the REST API."""
    return f"http://{_proxy_host(environ)}:{PORT}/"


def password(environ: Mapping[str, str]) -> str:
    """Return the password of the user `falconeri`.

    Raises:
        Unavailable: Nothing is deployed there, or the cluster can't be reached.
        FalconeriError: The cluster doesn't let us look.
    """
    from falconeri.deployment.secrets import FALCONERI, PASSWORD_KEY

    return _value(_connect(environ), FALCONERI, PASSWORD_KEY)


def database_url(environ: Mapping[str, str]) -> str:
    """Return the URL of the database's owner, through the proxy if the database is in the cluster.

    Raises:
        Unavailable: As `password`.
        FalconeriError: As `password`.
    """
    from falconeri.deployment.render import DATABASE_SECRET, POSTGRES
    from falconeri.deployment.secrets import OWNER_KEY
    from falconeri.deployment.status import database_secret

    api = _connect(environ)
    owner_url = _value(api, database_secret(api) or DATABASE_SECRET, OWNER_KEY)
    parts = urlsplit(owner_url)
    if parts.hostname != POSTGRES:
        return owner_url
    credentials = parts.netloc.rpartition("@")[0]
    there = f"{credentials}@{_proxy_host(environ)}:{DATABASE_PORT}"
    return parts._replace(netloc=there).geturl()


def _proxy_host(environ: Mapping[str, str]) -> str:
    """127.0.0.1, not localhost, where the proxy doesn't listen if that is an IPv6 address."""
    return environ.get("FALCONERI_PROXY_HOST") or "127.0.0.1"


def _connect(environ: Mapping[str, str]) -> KubeApi:
    from falconeri.kube.api import KubeApi

    return KubeApi.connect(
        context=environ.get("FALCONERI_CONTEXT") or None,
        namespace=environ.get("FALCONERI_NAMESPACE") or None,
    )


def _value(api: KubeApi, name: str, key: str) -> str:
    from falconeri.deployment.secrets import values_of

    secret = api.find("Secret", name)
    value = None if secret is None else values_of(secret).get(key)
    if not value:
        raise Unavailable(
            "no falconerid to talk to",
            detail=f"namespace {api.namespace} of {api.url} has no {key} in a secret {name}",
            hint="`falconeri deploy` makes it; FALCONERI_NAMESPACE and FALCONERI_CONTEXT choose "
            "another place; `falconeri local up` needs no cluster",
        )
    return value
