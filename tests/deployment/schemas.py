"""The published schemas of several versions of Kubernetes, as strict as the API server is."""

from __future__ import annotations

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema_rs

VERSIONS = ("v1.29.0", "v1.33.0", "v1.37.0")
"""The oldest that we promise, one between, the newest that has been published."""

_GROUPS = {"": "core", "rbac.authorization.k8s.io": "rbac", "networking.k8s.io": "networking"}


def errors_of(obj: dict[str, Any], version: str) -> list[str]:
    """What an API server of this version would complain of; unknown fields, too."""
    group, _, api_version = obj["apiVersion"].rpartition("/")
    name = f"io.k8s.api.{_GROUPS.get(group, group)}.{api_version}.{obj['kind']}"
    return [
        f"{obj['kind']} {obj['metadata'].get('name')}: {error.instance_path}: {error.message}"
        for error in _validator(version, name).iter_errors(obj)
    ]


@cache
def _validator(version: str, name: str) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for({"$ref": f"#/$defs/{name}", "$defs": _definitions(version)})


@cache
def _definitions(version: str) -> dict[str, Any]:
    package = find_spec("kubernetes_validate")
    assert package is not None
    assert package.origin is not None
    folder = Path(package.origin).parent / "kubernetes-json-schema" / f"{version}-local-strict"
    definitions = json.loads((folder / "_definitions.json").read_bytes())["$defs"]
    assert definitions
    return definitions
