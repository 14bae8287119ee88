"""Pipeline specs for tests: one that is right, ways to change it, and small programs."""

import copy
import json
from pathlib import Path
from typing import Any

COPY = 'cp "${FALCONERI_PFS:-/pfs}"/in/* "${FALCONERI_PFS:-/pfs}"/out/'
WAIT = f'touch "$FOLDER/began"; while [ ! -e "$FOLDER/go" ]; do sleep 0.05; done; {COPY}'

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


def shell(program: str, folder: Path, **parts: Any) -> str:  # noqa: ANN401  (any JSON)
    """A spec that runs a shell program for each file in the folder's `in`; it knows $FOLDER."""
    atom = {"URI": f"file://{folder}/in/", "repo": "in", "glob": "/*"}
    spec = spec_with(
        transform={
            "image": f"file://{folder}",
            "cmd": ["sh", "-c", program],
            "env": {"FOLDER": str(folder)},
        },
        input={"atom": atom},
        egress={"URI": f"file://{folder}/out/"},
    )
    return json.dumps(spec | parts)


def write_inputs(folder: Path, *names: str) -> None:
    (folder / "in").mkdir()
    for name in names:
        (folder / "in" / name).write_text(f"content of {name}\n")
