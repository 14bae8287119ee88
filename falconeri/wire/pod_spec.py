"""The part of a spec that says how Kubernetes is to run a job's pods.

Called by `falconeri.wire.spec`; read by `falconeri.cluster.manifest`. A local cluster needs none of
it and ignores it.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from falconeri.duration import parse_duration_s

_NonEmpty = Annotated[str, Meta(min_length=1)]

QUANTITY = r"^[0-9]+(\.[0-9]+)?([numkKMGTPE]|[KMGTPE]i|[eE][0-9]+)?$(?!\n)"
"""An amount as Kubernetes writes it: `500Mi`, `0.5`, `100m`."""

Quantity = Annotated[str, Meta(pattern=QUANTITY)]

_DNS_NAME = r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$(?!\n)"
_Name = Annotated[str, Meta(pattern=_DNS_NAME)]

_KEY = re.compile(
    r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)
_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")

_OURS = ("falconeri.", "batch.kubernetes.io/", "created-by", "job-name", "controller-uid")
"""Beginnings of labels by which pods are found: no spec may set them."""


class SchedulingSpec(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """On which nodes pods may run, and how important they are; Pachyderm's field."""

    node_selector: dict[str, str] = field(default_factory=dict[str, str])
    priority_class_name: _Name | None = None

    def __post_init__(self) -> None:
        """Refuse what is no label."""
        check_labels(self.node_selector, name="node_selector")


class Gpu(Struct, frozen=True, forbid_unknown_fields=True):
    """So many of a kind of device: `{"type": "nvidia.com/gpu", "number": 1}`; Pachyderm's field."""

    type: _NonEmpty
    number: Annotated[int, Meta(ge=1, le=1024)]


class Toleration(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A taint of nodes that pods don't mind."""

    key: str | None = None
    operator: Literal["Exists", "Equal"] | None = None
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_seconds: Annotated[int, Meta(ge=0)] | None = field(
        default=None, name="tolerationSeconds"
    )

    def __post_init__(self) -> None:
        """Only everything may be tolerated without a key."""
        if not self.key and self.operator != "Exists":
            raise ValueError("a toleration without `key` needs `operator`: Exists")


class VolumeSpec(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where `/pfs` or `/scratch` lies: on the node's disk, in memory, or on a volume of its own."""

    size: Quantity | None = None
    memory: bool = False
    """A tmpfs, whose content counts against the pod's memory."""
    storage_class: _Name | None = None
    """A volume is made for each pod, and goes with it."""

    def __post_init__(self) -> None:
        """One place at a time; a volume has a size."""
        if self.memory and self.storage_class:
            raise ValueError("a volume is either in `memory` or of a `storage_class`")
        if self.storage_class and not self.size:
            raise ValueError("a volume of a `storage_class` needs a `size`")


class PodSpec(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What else can be said of a job's pods."""

    labels: dict[str, str] = field(default_factory=dict[str, str])
    annotations: dict[str, str] = field(default_factory=dict[str, str])
    tolerations: list[Toleration] = field(default_factory=list[Toleration])
    affinity: dict[str, Any] | None = None
    """As Kubernetes has it."""
    image_pull_secrets: list[_Name] = field(default_factory=list[str])
    pfs: VolumeSpec | None = None
    scratch: VolumeSpec | None = None
    run_as_user: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None
    """The program's user; its container then has no privilege at all."""
    keep: str | None = None
    """How long the Kubernetes Job and its pods are kept when it has ended; `1day` if not said."""

    def __post_init__(self) -> None:
        """Refuse what Kubernetes would refuse."""
        check_labels(self.labels, name="labels")
        for key in self.labels:
            if key.startswith(_OURS):
                raise ValueError(f"`labels`: {key!r} is set by falconeri")
        for key in self.annotations:
            if not _KEY.fullmatch(key):
                raise ValueError(f"`annotations`: {key!r} can't be a key")
        if self.keep is not None:
            parse_duration_s(self.keep, name="keep")


def check_labels(labels: dict[str, str], *, name: str) -> None:
    """Refuse labels that Kubernetes would refuse.

    Args:
        name: The field, for the message.

    Raises:
        ValueError: One is no label.
    """
    for key, value in labels.items():
        if not _KEY.fullmatch(key) or not _VALUE.fullmatch(value):
            raise ValueError(f"`{name}`: {key!r}: {value!r} can't be a label")
