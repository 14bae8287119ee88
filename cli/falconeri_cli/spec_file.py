"""Reads a pipeline spec from a file or from stdin, checks it, and makes its local paths absolute.

Called by the commands that submit a job. `"URI": "file:texts/"` means the folder beside the spec,
as does `"image": "file:."` (with local workers an image may be a directory); falconerid, which runs
elsewhere in the file system, gets `file:///…/texts/`.
"""

from __future__ import annotations

import json
import os.path
import sys
from pathlib import Path
from typing import Any, NoReturn, cast

from falconeri.errors import BadRequest, InvalidArgument, InvalidSpec
from falconeri.wire.spec import PipelineSpec, parse_spec

_Object = dict[str, Any]


def load_spec(source: str) -> PipelineSpec:
    """Read and check a spec.

    Args:
        source: A path, or `-` for stdin, whose local paths are relative to the current directory.

    Raises:
        InvalidArgument: The file can't be read.
        BadRequest: It isn't JSON.
        InvalidSpec: It isn't a pipeline spec; `detail` names the file and the field.
    """
    text, name, folder = _read(source)
    tree = _parse(text, name)
    if isinstance(tree, dict):
        resolve_paths(cast("_Object", tree), folder)
    try:
        return parse_spec(json.dumps(tree))
    except InvalidSpec as ex:
        raise InvalidSpec(detail=f"{name}: {ex.detail}") from ex


def resolve_paths(tree: _Object, folder: Path) -> None:
    """Make each relative `file:` reference of a spec absolute, in place.

    Whatever has another shape than a spec is left for `parse_spec` to complain about.
    """
    for parent, key in ((tree.get("egress"), "URI"), (tree.get("transform"), "image")):
        _resolve(parent, key, folder)
    _resolve_input(tree.get("input"), folder)


def _read(source: str) -> tuple[bytes, str, Path]:
    if source == "-":
        return sys.stdin.buffer.read(), "stdin", Path.cwd()
    path = Path(source)
    try:
        return path.read_bytes(), source, path.resolve().parent
    except OSError as ex:
        raise InvalidArgument(
            "the pipeline spec cannot be read", detail=f"{source}: {ex.strerror or ex}"
        ) from ex


def _parse(text: bytes, name: str) -> object:
    """Parse JSON, more strictly than Python does: a field twice is somebody's mistake."""
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except InvalidSpec as ex:
        raise InvalidSpec(detail=f"{name}: {ex.detail}") from ex
    except (ValueError, RecursionError) as ex:
        raise BadRequest("the pipeline spec is not JSON", detail=f"{name}: {ex}") from ex


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidSpec(detail=f"the field `{twice}` is there twice")
    return fields


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _resolve_input(node: object, folder: Path) -> None:
    if not isinstance(node, dict):
        return
    parts = cast("_Object", node)
    for name in ("atom", "pfs"):
        _resolve(parts.get(name), "URI", folder)
    for name in ("cross", "union"):
        children: object = parts.get(name)
        if isinstance(children, list):
            for child in cast("list[object]", children):
                _resolve_input(child, folder)


def _resolve(parent: object, key: str, folder: Path) -> None:
    if isinstance(parent, dict):
        fields = cast("_Object", parent)
        value: object = fields.get(key)
        if isinstance(value, str):
            fields[key] = absolute(value, folder)


def absolute(reference: str, folder: Path) -> str:
    """`file:texts/` in /data is `file:///data/texts/`; anything but a `file:` path stays as it is.

    A slash at the end is kept: it makes the difference between a directory and a file.
    """
    scheme, colon, path = reference.partition(":")
    if scheme != "file" or not colon or path.startswith("//"):
        return reference
    whole = os.path.normpath(folder / path)
    return f"file://{whole}/" if path.endswith("/") and whole != "/" else f"file://{whole}"
