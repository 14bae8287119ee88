"""The JSON Schema of the pipeline spec, for editors and other programs.

Made from the types of `falconeri.wire.spec`; what their `__post_init__` says in Python is said here
in the schema's own words.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from falconeri.wire.spec import PipelineSpec

_Schema = dict[str, Any]
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def pipeline_schema() -> _Schema:
    """Return the schema as JSON-like data."""
    (root,), components = msgspec.json.schema_components([PipelineSpec])
    definitions: dict[str, _Schema] = dict(components)
    definitions["Input"] = {
        **_one_field_of(definitions["Input"], ("atom", "cross", "union")),  # `pfs` works, too
        "description": "Files below a URI, or a combination of inputs.",
    }
    definitions["Grouping"] = _one_field_of(definitions["Grouping"], ("files", "bytes"))
    definitions["Secret"] = _either_shape(definitions["Secret"])
    reference = str(root["$ref"]).rpartition("/")[2]
    spec = definitions.pop(reference)
    return {"$schema": _DIALECT, **spec, "$defs": definitions}


def pipeline_schema_text() -> str:
    """Return the schema as people read it."""
    return json.dumps(pipeline_schema(), indent=2, sort_keys=True)


def _one_field_of(schema: _Schema, names: tuple[str, ...]) -> _Schema:
    """An object with exactly one of these fields."""
    return {
        "title": schema["title"],
        "description": schema["description"],
        "oneOf": [_shape(schema, [name], []) for name in names],
    }


def _either_shape(schema: _Schema) -> _Schema:
    """A secret: mounted as a directory, or one key of it in a variable."""
    return {
        "title": schema["title"],
        "description": schema["description"],
        "oneOf": [
            _shape(schema, ["name", "mount_path"], []),
            _shape(schema, ["name", "key", "env_var"], ["optional"]),
        ],
    }


def _shape(schema: _Schema, required: list[str], optional: list[str]) -> _Schema:
    return {
        "type": "object",
        "properties": {name: schema["properties"][name] for name in (*required, *optional)},
        "required": required,
        "additionalProperties": False,
    }
