"""What a person may choose about an installation, and what is chosen for them.

Called by `falconeri deploy`, which has a flag for each field.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from typing import Any

from falconeri import __version__
from falconeri.errors import InvalidArgument

IMAGE = f"ghcr.io/dbcrossbar/falconeri:{__version__}"

MIN_POSTGRES = 15

_QUANTITY = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)(m|k|Ki|[MGTPE]i?)?")
_SCALES = {
    None: Decimal(1),
    "m": Decimal("0.001"),
    "k": Decimal(1000),
    **{f"{unit}i": Decimal(1024**power) for power, unit in enumerate("KMGTPE", start=1)},
    **{unit: Decimal(1000**power) for power, unit in enumerate("MGTPE", start=2)},
}
_OBJECT_NAME = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
)
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]*")
_LEVELS = ("debug", "info", "warning", "error")
_LEVELS_OF_RUST = {"trace": "debug", "warn": "warning", "off": "error"}
_MAX_REPLICAS = 2**16 - 1


def quantity(text: str, *, name: str) -> Decimal:
    """The number that a quantity of Kubernetes stands for: `500m` cores, `1Gi` bytes.

    Raises:
        InvalidArgument: It isn't one.
    """
    parts = _QUANTITY.fullmatch(text)
    if parts is None or not (value := Decimal(parts[1]) * _SCALES[parts[2]]):
        raise InvalidArgument(
            f"{name} is not a quantity (1.5, 500m, 256Mi, 10Gi)", detail=repr(text)
        )
    return value


@dataclass(frozen=True, kw_only=True)
class Options:
    """One installation; the defaults are those of a production one."""

    image: str = IMAGE
    """Of falconerid, and of the init container that brings the worker."""
    use_local_image: bool = False
    """Never pull: the image was built on the node."""
    image_volume: bool = False
    """Mount the worker from the image as a volume, for clusters that have such."""
    storage_class_name: str | None = None
    """Of all volumes; None for the cluster's default."""
    database_secret: str | None = None
    """A secret with `OWNER_URL` and `SERVER_URL` of a PostgreSQL elsewhere; None: bring one."""
    bucket_secrets: tuple[str, ...] = ()
    """All secrets that falconerid may read; none given: those of its namespace."""
    postgres_version: str = "18"
    postgres_storage: str = "10Gi"
    postgres_memory: str = "1Gi"
    postgres_cpu: str = "500m"
    falconerid_replicas: int = 2
    """Of `serve`, and of `tasks`."""
    falconerid_memory: str = "256Mi"
    falconerid_cpu: str = "450m"
    falconerid_log_level: str = "warning"
    with_minio: bool = False
    minio_storage: str = "10Gi"
    minio_memory: str = "512Mi"
    minio_cpu: str = "250m"

    def __post_init__(self) -> None:
        """Check all of them.

        Raises:
            InvalidArgument: One is wrong; the message names its flag.
        """
        for field in fields(self):
            value = getattr(self, field.name)
            flag = f"--{field.name.replace('_', '-')}"
            if field.name.endswith(("_memory", "_storage", "_cpu")):
                quantity(value, name=flag)
        for name in (self.storage_class_name, self.database_secret, *self.bucket_secrets):
            if name is not None and not _OBJECT_NAME.fullmatch(name):
                raise InvalidArgument("not a name of a Kubernetes object", detail=repr(name))
        if not _IMAGE.fullmatch(self.image):
            raise InvalidArgument("--image is not the name of an image", detail=repr(self.image))
        self._check_postgres()
        if not 1 <= self.falconerid_replicas <= _MAX_REPLICAS:
            raise InvalidArgument(
                f"--falconerid-replicas is not a number from 1 to {_MAX_REPLICAS}",
                detail=str(self.falconerid_replicas),
            )

    def _check_postgres(self) -> None:
        """Refuse a version that our SQL can't be run on, or that is no tag of the image."""
        major = re.match(r"[0-9]{1,3}(?![0-9])", self.postgres_version)
        tag = re.fullmatch(r"[A-Za-z0-9._-]{1,128}", self.postgres_version)
        if major is None or tag is None:
            what = "--postgres-version does not begin with a version of PostgreSQL"
            raise InvalidArgument(what, detail=repr(self.postgres_version))
        if int(major[0]) < MIN_POSTGRES:
            what = f"--postgres-version is less than {MIN_POSTGRES}"
            raise InvalidArgument(what, detail=self.postgres_version)


PRODUCTION = Options()

DEVELOPMENT = Options(
    use_local_image=True,
    postgres_storage="100Mi",
    postgres_memory="256Mi",
    postgres_cpu="100m",
    falconerid_replicas=1,
    falconerid_cpu="100m",
    falconerid_log_level="debug",
    with_minio=True,
    minio_storage="256Mi",
    minio_memory="256Mi",
    minio_cpu="100m",
)


def choose(*, development: bool, **chosen: Any) -> Options:  # noqa: ANN401 - of the fields' types
    """Return one of both, with what was chosen in its place; None for what wasn't.

    Raises:
        InvalidArgument: Something chosen is wrong.
    """
    if (level := chosen.get("falconerid_log_level")) is not None:
        chosen["falconerid_log_level"] = log_level(level)
    base = DEVELOPMENT if development else PRODUCTION
    return replace(base, **{name: value for name, value in chosen.items() if value is not None})


def log_level(text: str) -> str:
    """One of our levels: as it is, or the most talkative of a RUST_LOG of the original.

    Raises:
        InvalidArgument: Neither.
    """
    words = [directive.rpartition("=")[2].strip().lower() for directive in text.split(",")]
    levels = [_LEVELS_OF_RUST.get(word, word) for word in words]
    if unknown := [level for level in levels if level not in _LEVELS]:
        raise InvalidArgument(
            "--falconerid-log-level knows debug, info, warning and error", detail=repr(unknown[0])
        )
    return min(levels, key=_LEVELS.index)
