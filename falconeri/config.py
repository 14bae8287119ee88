"""falconerid's settings, read once from `FALCONERI_*` into a frozen object.

Called by `falconeri.daemon`; everything else gets the object. Secrets don't show in its repr.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

from falconeri import __version__
from falconeri.duration import parse_duration_s
from falconeri.errors import InvalidArgument

PASSWORD_FILE = "/etc/falconeri/secrets/POSTGRES_PASSWORD"  # noqa: S105 - a place, not a secret
"""Where a pod finds its password, as the original mounts it."""

IMAGE = "ghcr.io/dbcrossbar/falconeri"
"""Where our image is, but for its tag."""

MAX_PROCESSES = 64
"""Each has ten connections to the database."""

ClusterKind = Literal["local", "kubernetes"]
"""What can run workers."""

PullPolicy = Literal["Always", "IfNotPresent", "Never"]


@dataclass(frozen=True)
class ServerConfig:
    """All that `falconerid` can be told."""

    database_url: str = field(repr=False)
    """FALCONERI_DATABASE_URL: libpq URL; required."""
    password: str = field(repr=False)
    """FALCONERI_PASSWORD_FILE's content, or FALCONERI_PASSWORD: of the user `falconeri`."""
    read_password: str | None = field(repr=False)
    """FALCONERI_READ_PASSWORD_FILE's content, or FALCONERI_READ_PASSWORD: of the same user, to look
    only; None: nobody has it."""
    host: str
    """FALCONERI_LISTEN_HOST: the address to listen on."""
    port: int
    """FALCONERI_PORT: of the REST API."""
    wait_port: int
    """FALCONERI_WAIT_PORT: where clients wait."""
    health_port: int | None
    """FALCONERI_HEALTH_PORT: where `tasks` says at `/healthz` whether it works; None: nowhere."""
    url: str
    """FALCONERI_URL: the REST API as workers reach it."""
    wait_url: str
    """FALCONERI_WAIT_URL: the waiting port as workers reach it."""
    cluster: ClusterKind
    """FALCONERI_CLUSTER: what runs workers."""
    namespace: str | None
    """FALCONERI_NAMESPACE: where jobs run on Kubernetes; None: the pod's own, or the context's."""
    kube_context: str | None
    """FALCONERI_KUBE_CONTEXT: of the kubeconfig file; None: the pod's own, or the current."""
    image: str
    """FALCONERI_IMAGE: our own image, from which pods get the worker."""
    image_pull_policy: PullPolicy | None
    """FALCONERI_IMAGE_PULL_POLICY: of that image; None: Kubernetes' default."""
    image_volume: bool
    """FALCONERI_IMAGE_VOLUME: mount the worker from the image rather than copy it."""
    state: Path
    """FALCONERI_STATE: the local cluster's directory."""
    max_datums: int
    """FALCONERI_MAX_DATUMS: a spec with more datums is refused."""
    local_slots: int
    """FALCONERI_LOCAL_SLOTS: worker processes of the local cluster, over all jobs."""
    job_retention_s: int | None
    """FALCONERI_JOB_RETENTION: how long ended jobs are kept; None: for ever."""
    request_limit_s: int
    """FALCONERI_REQUEST_TIMEOUT: how long a request may take to arrive."""
    processes: int
    """FALCONERI_PROCESSES: of `serve`, sharing both ports."""
    log_level: str
    """FALCONERI_LOG: debug, info, warning or error."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> ServerConfig:
        """Read them.

        Raises:
            InvalidArgument: One is missing or wrong; the message names it.
        """
        port = _number(environ, "FALCONERI_PORT", 8089)
        wait_port = _number(environ, "FALCONERI_WAIT_PORT", port + 1)
        return cls(
            database_url=_required(environ, "FALCONERI_DATABASE_URL"),
            password=_password(environ),
            read_password=_read_password(environ),
            host=environ.get("FALCONERI_LISTEN_HOST", "0.0.0.0"),  # noqa: S104 - a server's default
            port=port,
            wait_port=wait_port,
            health_port=_optional_port(environ, "FALCONERI_HEALTH_PORT"),
            url=environ.get("FALCONERI_URL", f"http://falconerid:{port}/"),
            wait_url=environ.get("FALCONERI_WAIT_URL", f"http://falconerid:{wait_port}/"),
            cluster=_cluster(environ),
            namespace=environ.get("FALCONERI_NAMESPACE") or None,
            kube_context=environ.get("FALCONERI_KUBE_CONTEXT") or None,
            image=environ.get("FALCONERI_IMAGE") or f"{IMAGE}:{__version__}",
            image_pull_policy=_pull_policy(environ),
            image_volume=_is_set(environ, "FALCONERI_IMAGE_VOLUME"),
            state=Path(environ.get("FALCONERI_STATE", "/var/lib/falconeri")),
            max_datums=_number(environ, "FALCONERI_MAX_DATUMS", 10_000_000, most=2**31 - 1),
            local_slots=_number(environ, "FALCONERI_LOCAL_SLOTS", os.cpu_count() or 1),
            job_retention_s=_retention_s(environ),
            request_limit_s=_request_limit_s(environ),
            processes=_number(environ, "FALCONERI_PROCESSES", 1, most=MAX_PROCESSES),
            log_level=environ.get("FALCONERI_LOG", "info"),
        )


@dataclass(frozen=True)
class OwnerConfig:
    """All that `falconerid migrate` can be told: it needs no password of ours."""

    database_url: str = field(repr=False)
    """FALCONERI_DATABASE_URL: libpq URL of the database's owner; required."""
    server_database_url: str | None = field(repr=False)
    """FALCONERI_SERVER_DATABASE_URL: that of `serve` and `tasks`, whose user gets its rights."""
    log_level: str
    """FALCONERI_LOG: debug, info, warning or error."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> OwnerConfig:
        """Read them.

        Raises:
            InvalidArgument: There is no database URL.
        """
        return cls(
            database_url=_required(environ, "FALCONERI_DATABASE_URL"),
            server_database_url=environ.get("FALCONERI_SERVER_DATABASE_URL") or None,
            log_level=environ.get("FALCONERI_LOG", "info"),
        )


def _required(environ: Mapping[str, str], name: str) -> str:
    if value := environ.get(name):
        return value
    raise InvalidArgument(f"{name} is not set")


def _number(environ: Mapping[str, str], name: str, default: int, *, most: int = 2**16 - 1) -> int:
    text = environ.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= most:
        raise InvalidArgument(f"{name} is not a number from 1 to {most}", detail=repr(text))
    return int(text)


def _optional_port(environ: Mapping[str, str], name: str) -> int | None:
    return _number(environ, name, 1) if environ.get(name) else None


def _request_limit_s(environ: Mapping[str, str]) -> int:
    text = environ.get("FALCONERI_REQUEST_TIMEOUT") or "1m"
    try:
        seconds = parse_duration_s(text, name="FALCONERI_REQUEST_TIMEOUT")
    except ValueError as ex:
        raise InvalidArgument(str(ex)) from ex
    if seconds == 0:
        raise InvalidArgument("FALCONERI_REQUEST_TIMEOUT would refuse all", detail=repr(text))
    return seconds


def _retention_s(environ: Mapping[str, str]) -> int | None:
    if not (text := environ.get("FALCONERI_JOB_RETENTION")):
        return None
    try:
        seconds = parse_duration_s(text, name="FALCONERI_JOB_RETENTION")
    except ValueError as ex:
        raise InvalidArgument(str(ex)) from ex
    if seconds == 0:
        raise InvalidArgument(
            "FALCONERI_JOB_RETENTION would delete each job as it ends",
            detail=repr(text),
            hint="leave it unset to keep all",
        )
    return seconds


def _password(environ: Mapping[str, str]) -> str:
    """The bytes as they are: the original's clients don't trim either. See `falconeri.tokens`."""
    if password := environ.get("FALCONERI_PASSWORD"):
        return password
    path = environ.get("FALCONERI_PASSWORD_FILE", PASSWORD_FILE)
    return _content(path, "set FALCONERI_PASSWORD_FILE")


def _read_password(environ: Mapping[str, str]) -> str | None:
    """The same for whoever may only look, if there is to be such a one."""
    if password := environ.get("FALCONERI_READ_PASSWORD"):
        return password
    path = environ.get("FALCONERI_READ_PASSWORD_FILE")
    return _content(path, "set FALCONERI_READ_PASSWORD_FILE") if path else None


def _content(path: str, hint: str) -> str:
    try:
        password = Path(path).read_text()
    except (OSError, UnicodeDecodeError) as ex:
        raise InvalidArgument("no password", detail=str(ex), hint=hint) from ex
    if not password.strip():
        raise InvalidArgument("the password is empty", detail=path)
    return password


def _cluster(environ: Mapping[str, str]) -> ClusterKind:
    kind = environ.get("FALCONERI_CLUSTER", "local")
    if kind in {"local", "kubernetes"}:
        return cast("ClusterKind", kind)
    raise InvalidArgument(
        "FALCONERI_CLUSTER is not a kind of cluster", detail=repr(kind), hint="local, kubernetes"
    )


def _pull_policy(environ: Mapping[str, str]) -> PullPolicy | None:
    """FALCONERI_USE_LOCAL_IMAGE is the original's word for an image that a node has already."""
    if _is_set(environ, "FALCONERI_USE_LOCAL_IMAGE"):
        return "Never"
    policy = environ.get("FALCONERI_IMAGE_PULL_POLICY") or None
    if policy in {None, "Always", "IfNotPresent", "Never"}:
        return cast("PullPolicy | None", policy)
    raise InvalidArgument(
        "FALCONERI_IMAGE_PULL_POLICY is not a policy",
        detail=repr(policy),
        hint="Always, IfNotPresent, Never",
    )


def _is_set(environ: Mapping[str, str], name: str) -> bool:
    text = environ.get(name) or "false"
    if text in {"true", "1", "false", "0"}:
        return text in {"true", "1"}
    raise InvalidArgument(f"{name} is neither true nor false", detail=repr(text))
