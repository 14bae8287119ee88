"""What a local pod is given: its environment, its working directory and what it sees where.

Called by `pods` for each pod, so that a changed secret reaches the next one. Reads the spec and the
secrets; starts nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import UNSET

from falconeri.cluster.base import WorkersSpec
from falconeri.cluster.local_secrets import copy_secret, read_secret
from falconeri.errors import InvalidSpec, SecretNotFound
from falconeri.wire.codec import convert
from falconeri.wire.spec import Secret, Transform

_DIRECTORY_SCHEME = "file://"

_MACHINE = frozenset(
    (
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ"),
        *("PYTHONPATH", "LD_LIBRARY_PATH"),  # how this Python was started: so is the worker's
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
        *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"),
    )
)
"""The variables that describe the machine; names of proxies are also written in lower case."""

_IDENTITIES = ("AWS_", "GOOGLE_")
"""Prefixes of the variables that say who the machine is to a cloud."""


@dataclass(frozen=True)
class PodPlan:
    """All that a pod's first process must be told, beside the command."""

    environment: Mapping[str, str]
    cwd: Path
    binds: list[tuple[Path, str]]
    """Directories, and where the pod sees them; empty for a pod without a private root."""


def parse_transform(workers: WorkersSpec) -> Transform:
    """The part of the stored spec that concerns a pod.

    Raises:
        InvalidSpec: It isn't what `falconeri.wire.spec.stored_form` makes.
    """
    try:
        return convert(workers.spec.get("transform"), Transform)
    except msgspec.ValidationError as ex:
        raise InvalidSpec(detail=f"transform: {ex}") from ex


def image_directory(image: str) -> Path | None:
    """The directory that stands for the image on this machine (`file:///…`), or None.

    Raises:
        InvalidSpec: There is no such directory.
    """
    # Raw, as the URIs of storage are: a `%` or `#` is part of the name.
    if not image.startswith(_DIRECTORY_SCHEME):
        return None
    directory = Path(image.removeprefix(_DIRECTORY_SCHEME))
    if not directory.is_absolute() or not directory.is_dir():
        raise InvalidSpec(detail=f"transform.image: {image} is no directory on this machine")
    return directory


def plan_pod(
    workers: WorkersSpec,
    *,
    pod: Path,
    secrets: Path,
    private_root: bool,
    worker_environment: Mapping[str, str],
) -> PodPlan:
    """Fill the pod's directory (which exists) and say how to start it.

    The environment is, later ones winning: the machine's own few variables; its cloud identity,
    unless the spec has secrets of that cloud; `transform.env`; `transform.secrets`; ours.

    Args:
        secrets: The directory of the cluster's secrets.
        private_root: Whether the pod can see its directories under names of their own.

    Raises:
        SecretNotFound: A secret, or a key of it, that isn't optional.
        InvalidSpec: Something that can't be done on this machine.
    """
    transform = parse_transform(workers)
    places = {"pfs": pod / "pfs", "scratch": pod / "scratch", "secrets": pod / "secrets"}
    for place in places.values():
        place.mkdir(mode=0o755)
    places["secrets"].chmod(0o700)
    token = places["secrets"] / "POSTGRES_PASSWORD"
    token.touch(mode=0o600)
    token.write_text(workers.token)
    binds = [(places["pfs"], "/pfs"), (places["scratch"], "/scratch")] if private_root else []
    binds += _mounted_secrets(transform, pod=pod, secrets=secrets, private_root=private_root)
    pfs, scratch = (
        ("/pfs", "/scratch") if private_root else (str(places["pfs"]), str(places["scratch"]))
    )
    environment = {
        **_machine_environment(os.environ, transform.secrets),
        "TMPDIR": scratch,  # goes with the pod, and the worker empties it before each datum
        **transform.env,
        **_secret_variables(transform.secrets, secrets),
        **worker_environment,
        "FALCONERI_POD_NAME": pod.name,
        "FALCONERI_NODE_NAME": os.uname().nodename,
        "FALCONERI_PASSWORD_FILE": str(token),
        "FALCONERI_PFS": pfs,
        "FALCONERI_SCRATCH": scratch,
        "FALCONERI_SPACE": str(pod),  # also in a private root, which has all of the machine
    }
    _check(environment)
    return PodPlan(environment, image_directory(transform.image) or pod, binds)


def _machine_environment(parent: Mapping[str, str], secrets: list[Secret]) -> dict[str, str]:
    given = {secret.env_var for secret in secrets if secret.env_var is not UNSET}
    identities = tuple(
        prefix for prefix in _IDENTITIES if not any(name.startswith(prefix) for name in given)
    )
    return {
        name: value
        for name, value in parent.items()
        if name in _MACHINE
        or (name.upper() in _MACHINE and name.upper().endswith("_PROXY"))
        or name.startswith(("LC_", *identities))
    }


def _secret_variables(wanted: list[Secret], secrets: Path) -> dict[str, str]:
    variables: dict[str, str] = {}
    for secret in wanted:
        if secret.key is UNSET or secret.env_var is UNSET:
            continue
        try:
            variables[secret.env_var] = _read_key(secrets, secret.name, secret.key)
        except SecretNotFound:
            if secret.optional is not True:
                raise
    return variables


def _read_key(secrets: Path, name: str, key: str) -> str:
    values = read_secret(secrets, name)
    if key not in values:
        raise SecretNotFound("secret lacks a key", detail=f"{name}/{key}")
    return values[key]


def _mounted_secrets(
    transform: Transform, *, pod: Path, secrets: Path, private_root: bool
) -> list[tuple[Path, str]]:
    """Copies of the secrets, so that what a program does to its own stays its own affair."""
    binds: list[tuple[Path, str]] = []
    for number, secret in enumerate(transform.secrets):
        if secret.mount_path is UNSET:
            continue
        field = f"transform.secrets[{number}].mount_path"
        if not private_root:
            raise InvalidSpec(
                detail=f"{field}: local workers of this machine can't mount secrets",
                hint="use `key` and `env_var`; the log of falconerid says what is missing",
            )
        if not secret.mount_path.startswith("/") or set(secret.mount_path) <= {"/", "."}:
            raise InvalidSpec(detail=f"{field}: {secret.mount_path} is no absolute path")
        copy = pod / "secrets" / f"mount-{number}"
        copy_secret(secrets, secret.name, copy)
        binds.append((copy, secret.mount_path))
    return binds


def _check(environment: Mapping[str, str]) -> None:
    for name, value in environment.items():
        if not name or "=" in name or "\0" in name or "\0" in value:
            raise InvalidSpec(detail=f"transform: {name!r} can't be a variable of the environment")
