"""The secrets of an installation: which ones it needs, and what is made for those that are missing.

Called by `deploy`. What exists is never changed; values are never logged.
"""

from __future__ import annotations

import base64
import secrets
import string
from collections.abc import Callable, Mapping

from falconeri.deployment.options import Options
from falconeri.deployment.render import DATABASE_SECRET, MINIO, POSTGRES
from falconeri.errors import Conflict
from falconeri.kube.objects import Object, part

FALCONERI = "falconeri"
"""Has the password of the user `falconeri` of the REST API, in the original's place."""

BUCKETS = "s3"
"""What the example specs take their credentials from; ours only if we made it for MinIO."""

PASSWORD_KEY = "POSTGRES_PASSWORD"  # noqa: S105 - a name
OWNER_KEY = "OWNER_URL"
SERVER_KEY = "SERVER_URL"

_ALPHABET = string.ascii_letters + string.digits
_LABELS = {"app.kubernetes.io/part-of": "falconeri"}

Values = Mapping[str, str]
Look = Callable[[str], Values | None]
"""Returns an existing secret's values, None if there is none."""


def missing(options: Options, look: Look) -> list[Object]:
    """The secrets that have to be made, in the order of their making.

    Raises:
        Conflict: One that exists lacks a key, or one that only its owner can make is missing.
    """
    made = [_new(FALCONERI, {PASSWORD_KEY: _password()})] if _lacks(look, FALCONERI) else []
    if options.database_secret is None:
        if _lacks(look, DATABASE_SECRET, OWNER_KEY, SERVER_KEY):
            made.append(_new(DATABASE_SECRET, _database()))
    else:
        _require(look, options.database_secret)
    if options.with_minio:
        root = look(MINIO)
        if root is None:
            root = {"MINIO_ROOT_USER": "minioadmin", "MINIO_ROOT_PASSWORD": _password()}
            made.append(_new(MINIO, root))
        if look(BUCKETS) is None:
            made.append(_new(BUCKETS, _bucket(root)))
    return made


def is_ours(secret: Object) -> bool:
    """Whether we made it, and nobody else."""
    return part(secret, "metadata", "labels").items() >= _LABELS.items()


def values_of(secret: Object) -> dict[str, str]:
    """A secret's keys and values."""
    return {
        key: base64.b64decode(value).decode("utf-8", "surrogateescape")
        for key, value in part(secret, "data").items()
    }


def _lacks(look: Look, name: str, *more_keys: str) -> bool:
    """Whether there is no such secret.

    Raises:
        Conflict: There is one, of somebody else's making.
    """
    values = look(name)
    if values is None:
        return True
    if absent := [key for key in (PASSWORD_KEY, *more_keys) if not values.get(key)]:
        detail = f"{name} has no {', '.join(absent)}"
        raise Conflict(
            "a secret exists, but lacks a key", detail=detail, hint="add it, or delete it"
        )
    return False


def _require(look: Look, name: str) -> None:
    hint = f"it needs {OWNER_KEY}, which migrates, and {SERVER_KEY}, as whom falconerid logs in"
    values = look(name)
    if values is None:
        raise Conflict(
            "there is no secret of the name that --database-secret says", detail=name, hint=hint
        )
    if absent := [key for key in (OWNER_KEY, SERVER_KEY) if not values.get(key)]:
        detail = f"{name} has no {', '.join(absent)}"
        raise Conflict("the database's secret lacks a key", detail=detail, hint=hint)


def _database() -> dict[str, str]:
    """Of the superuser, who owns all, and of `falconerid`, whom the migration makes."""
    owner, server = _password(), _password()
    place = f"{POSTGRES}:5432/falconeri"
    return {
        PASSWORD_KEY: owner,
        OWNER_KEY: f"postgresql://postgres:{owner}@{place}",
        SERVER_KEY: f"postgresql://falconerid:{server}@{place}",
    }


def _bucket(root: Values) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": root["MINIO_ROOT_USER"],
        "AWS_SECRET_ACCESS_KEY": root["MINIO_ROOT_PASSWORD"],
        "AWS_ENDPOINT_URL": f"http://{MINIO}:9000",
    }


def _password() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(32))


def _new(name: str, values: Values) -> Object:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": name, "labels": dict(_LABELS)},
        "data": data,
    }
