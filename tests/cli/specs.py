"""Pipeline specs for tests: one that is right, and a way to spoil it."""

import copy
import json
from pathlib import Path
from typing import Any

SPEC: dict[str, Any] = {
    "pipeline": {"name": "test"},
    "transform": {"image": "file:.", "cmd": ["true"]},
    "parallelism_spec": {"constant": 2},
    "resource_requests": {"memory": "100Mi", "cpu": 0.5},
    "input": {"atom": {"URI": "file:in/", "repo": "in", "glob": "/*"}},
    "egress": {"URI": "file:out/"},
}


def spec_with(**parts: Any) -> dict[str, Any]:  # noqa: ANN401  (any JSON)
    """The spec with other top-level parts; None leaves one out."""
    changed = copy.deepcopy(SPEC) | parts
    return {name: part for name, part in changed.items() if part is not None}


def write_spec(folder: Path, spec: object = SPEC) -> str:
    path = folder / "job.json"
    path.write_text(spec if isinstance(spec, str) else json.dumps(spec))
    return str(path)
