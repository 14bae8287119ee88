"""What the API server says about itself. Called by `front`."""

from __future__ import annotations

from tests.kube.kinds import KINDS, Kind
from tests.kube.refusals import Json

VERSION: Json = {
    "major": "1",
    "minor": "34",
    "gitVersion": "v1.34.0",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "2026-01-01T00:00:00Z",
    "goVersion": "go1.24",
    "compiler": "gc",
    "platform": "linux/amd64",
}

_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


def discover(path: str) -> Json | None:
    """The answer for a path of discovery, or None if it is none."""
    parts = [part for part in path.split("/") if part]
    if parts == ["version"]:
        return VERSION
    if parts == ["api"]:
        return {"kind": "APIVersions", "versions": ["v1"]}
    if parts == ["apis"]:
        groups = sorted({kind.group for kind in KINDS} - {""})
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": list(map(_group, groups))}
    if len(parts) == 2 and parts[0] == "apis" and any(kind.group == parts[1] for kind in KINDS):
        return {"kind": "APIGroup", "apiVersion": "v1", **_group(parts[1])}
    version = "/".join(parts[1:])
    kinds = [kind for kind in KINDS if kind.version == version]
    if kinds and parts[0] == ("apis" if kinds[0].group else "api"):
        return {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": version,
            "resources": [entry for kind in kinds for entry in _resources(kind)],
        }
    return None


def _group(name: str) -> Json:
    version = {"groupVersion": f"{name}/v1", "version": "v1"}
    return {"name": name, "versions": [version], "preferredVersion": version}


def _resources(kind: Kind) -> list[Json]:
    entry: Json = {
        "name": kind.plural,
        "singularName": kind.name.lower(),
        "namespaced": kind.namespaced,
        "kind": kind.name,
        "verbs": _VERBS,
    }
    subs = [
        {**entry, "name": f"{kind.plural}/{sub}", "verbs": ["get", "patch", "update"]}
        for sub in kind.subresources
    ]
    return [entry, *subs]
