"""The OpenAPI 3.1 document, generated from what each endpoint says of itself.

Schemas come from the types that parse the requests, examples from instances of those types, so that
none of them can say what the server doesn't do.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from types import UnionType
from typing import Any, get_args

import msgspec
from msgspec.json import schema_components

from falconeri import __version__
from falconeri.errors import (
    BadRequest,
    FalconeriError,
    Forbidden,
    InvalidInput,
    TookTooLong,
    Unauthorized,
    Unavailable,
)
from falconeri.server.examples import EXAMPLES
from falconeri.server.operation import Access, Operation, operation_of
from falconeri.wire.records import ErrorBody

REF = "#/components/schemas/{name}"

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

_TEXT = """\
The REST API of Falconeri: distributed batch jobs. Errors are JSON: a `code` that stays the same, a
`message`, a `detail` that names the thing, and a `hint`. Timestamps are UTC, without a zone.
Endpoints marked as waiting are on the waiting port, by default the next one.
"""


def document(routes: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Describe all methods of these paths.

    Args:
        routes: Paths with the classes of their resources.
    """
    found = [
        (path, method, operation, resource)
        for path, resource in routes
        for method in METHODS
        if (operation := operation_of(resource, method))
    ]
    schemas = _Schemas([operation for _, _, operation, _ in found])
    paths: dict[str, Any] = {}
    for path, method, operation, resource in found:
        item = _operation(path, method, operation, resource, schemas)
        paths.setdefault(path, {})[method.lower()] = item
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Falconeri",
            "version": __version__,
            "description": _TEXT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "securitySchemes": {
                "basic": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "User `falconeri` with the admin's or the read-only password, "
                    "or a worker's token.",
                }
            },
        },
    }


class _Schemas:
    """JSON schemas of all types that occur, each once."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        types: list[Any] = [ErrorBody]
        for operation in operations:
            types += [*_parts(operation.body), *_parts(operation.answers)]
            types += [query.type for query in (*operation.query, *operation.headers)]
        unique = list(dict.fromkeys(types))
        places, components = schema_components(unique, ref_template=REF)
        self.components: Mapping[str, Any] = components
        self._places: dict[Any, dict[str, Any]] = dict(zip(unique, places, strict=True))

    def of(self, type_: Any) -> dict[str, Any]:  # noqa: ANN401 - a type
        """The schema of a type, or a reference to it."""
        if type_ in self._places:
            return self._places[type_]
        return {"anyOf": [self._places[part] for part in _parts(type_)]}


def _parts(type_: Any) -> tuple[Any, ...]:  # noqa: ANN401 - a type
    """The members of a union; msgspec has no schema for one of several structs."""
    if type_ is None:
        return ()
    return get_args(type_) if isinstance(type_, UnionType) else (type_,)


def _operation(
    path: str, method: str, operation: Operation, resource: type, schemas: _Schemas
) -> dict[str, Any]:
    text = inspect.getdoc(getattr(resource, f"on_{method.lower()}")) or ""
    summary, _, description = text.partition("\n\n")
    item: dict[str, Any] = {
        "operationId": _operation_id(path, method),
        "summary": summary.replace("\n", " "),
        "description": f"{description}\n\nFor: {operation.access.value}.".strip(),
        "tags": [_tag(path, operation)],
        "parameters": _parameters(path, operation, schemas),
        "responses": _responses(operation, schemas),
        "security": [] if operation.access is Access.PUBLIC else [{"basic": []}],
    }
    if operation.body is not None:
        item["requestBody"] = {
            "required": not operation.optional_body,
            "content": _content(operation.body, "application/json", schemas),
        }
    return item


def _tag(path: str, operation: Operation) -> str:
    first = path.split("/")[1]
    if operation.waiting:
        return "waiting port"
    return first if first in ("jobs", "datums") else "falconerid"


def _operation_id(path: str, method: str) -> str:
    words = (
        re.sub(r"[{}]", "", path).strip("/").replace("/", "_").replace("-", "_").replace(".", "_")
    )
    return f"{method.lower()}_{words}"


def _parameters(path: str, operation: Operation, schemas: _Schemas) -> list[dict[str, Any]]:
    in_path = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "format": "uuid"},
        }
        for name in re.findall(r"{(\w+)}", path)
    ]
    others = [
        {
            "name": query.name,
            "in": place,
            "required": query.required,
            "description": query.text,
            "schema": schemas.of(query.type),
        }
        for place, queries in (("query", operation.query), ("header", operation.headers))
        for query in queries
    ]
    return in_path + others


def _responses(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    if operation.answers is None:
        responses["204"] = {"description": "Done."}
    else:
        responses["200"] = {
            "description": "The answer.",
            "content": _content(operation.answers, operation.media_type, schemas),
        }
    errors = set(operation.errors) | {BadRequest, TookTooLong, Unavailable}
    if operation.access is not Access.PUBLIC:
        errors |= {Unauthorized, Forbidden}
    if operation.body is not None or operation.query:
        errors |= {InvalidInput}
    by_status: dict[int, list[type[FalconeriError]]] = {}
    for error in sorted(errors, key=lambda error: error.code):
        by_status.setdefault(error.http_status, []).append(error)
    for status, classes in sorted(by_status.items()):
        responses[str(status)] = _error_response(classes, schemas)
    if operation.body is not None:
        responses["413"] = {"description": "The body is too large."}
        responses["415"] = {"description": "The body is not said to be JSON."}
    return responses


def _error_response(classes: list[type[FalconeriError]], schemas: _Schemas) -> dict[str, Any]:
    return {
        "description": " ".join((error.__doc__ or "").split("\n")[0] for error in classes),
        "content": {
            "application/json": {
                "schema": schemas.of(ErrorBody),
                "examples": {
                    error.code: {
                        "value": msgspec.to_builtins(ErrorBody(error.code, error.default_message))
                    }
                    for error in classes
                },
            }
        },
    }


def _content(type_: Any, media_type: str, schemas: _Schemas) -> dict[str, Any]:  # noqa: ANN401
    content: dict[str, Any] = {"schema": schemas.of(type_)}
    if type_ in EXAMPLES:
        content["example"] = msgspec.to_builtins(EXAMPLES[type_])
    return {media_type: content}
