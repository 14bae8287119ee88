"""Reads the manifests of `deploy/kubernetes`: everything is there, and a person can read it.

Called by `render`, which puts into them what was chosen.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

from falconeri.resources import deploy_root

Object = dict[str, Any]
"""A Kubernetes object, as JSON has it."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load(folder: str = ".") -> list[Object]:
    """The objects that a folder's kustomization.yaml names, in its order.

    Args:
        folder: Within `deploy/kubernetes`.
    """
    root = deploy_root() / "kubernetes" / folder
    kustomization = yaml.load((root / "kustomization.yaml").read_bytes(), _LOADER)  # noqa: S506
    return [
        obj
        for name in kustomization["resources"]
        for obj in yaml.load_all((root / name).read_bytes(), _LOADER)
    ]


def find(objects: Iterable[Object], kind: str, name: str) -> Object:
    """The one of this kind and name."""
    return next(obj for obj in objects if obj["kind"] == kind and name_of(obj) == name)


def name_of(obj: Object) -> str:
    """Its name."""
    return obj["metadata"]["name"]


def shown(obj: Object) -> str:
    """It as people call it: `deployment/falconerid`."""
    return f"{obj['kind'].lower()}/{name_of(obj)}"


def as_yaml(objects: Iterable[Object]) -> str:
    """All of them as one file, for `kubectl apply -f -`."""
    return yaml.safe_dump_all(objects, sort_keys=False, explicit_start=True, width=100)


def part(obj: Object, *keys: str) -> Object:
    """An object within it, empty if there is none."""
    for key in keys:
        obj = obj.get(key) or {}
    return obj


def parts(obj: Object, key: str) -> list[Object]:
    """A list within it, empty if there is none."""
    return obj.get(key) or []
