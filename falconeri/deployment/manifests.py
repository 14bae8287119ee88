"""Reads the manifests of `deploy/kubernetes`: everything is there, and a person can read it.

Called by `render`, which puts into them what was chosen.
"""

from __future__ import annotations

from collections.abc import Iterable

import yaml

from falconeri.kube.objects import Object, name_of
from falconeri.resources import deploy_root

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


def shown(obj: Object) -> str:
    """It as people call it: `deployment/falconerid`."""
    return f"{obj['kind'].lower()}/{name_of(obj)}"


def as_yaml(objects: Iterable[Object]) -> str:
    """All of them as one file, for `kubectl apply -f -`."""
    return yaml.safe_dump_all(objects, sort_keys=False, explicit_start=True, width=100)
