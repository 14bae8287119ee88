"""Whether an object has the shape of its kind, by the official client's own models.

Called by `front` for whatever a client sends.
"""

# Any JSON comes through here:
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from functools import cache
from typing import Any

from kubernetes.client import models
from pydantic import BaseModel, ValidationError

from tests.kube.kinds import Kind
from tests.kube.refusals import Json, bad_request

_MODELS = {"Event": "CoreV1Event"}
"""The names of the models that aren't V1 and the kind."""


def check(kind: Kind, obj: Json) -> None:
    """Refuse what can't be decoded into the kind.

    Raises:
        Refused: 400, a value has a wrong type.
    """
    if obj.get("kind", kind.name) != kind.name:
        raise bad_request(f"the object provided is a {obj['kind']}, not a {kind.name}")
    if obj.get("apiVersion", kind.version) != kind.version:
        raise bad_request(f"the API version in the data ({obj['apiVersion']}) is {kind.version}")
    model = _model(kind)
    try:
        model.model_validate(_without_times(obj))
    except ValidationError as ex:
        first = ex.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise bad_request(
            f'{kind.name} in version "{kind.version}" cannot be handled: {place}: {first["msg"]}'
        ) from ex


def unknown_fields(kind: Kind, obj: Json) -> list[str]:
    """The paths of the fields that the kind doesn't have."""
    return list(_unknown(_model(kind), obj, ""))


def prune(kind: Kind, obj: Json) -> None:
    """Drop the fields that the kind doesn't have, as the server does without `fieldValidation`."""
    for path in unknown_fields(kind, obj):
        found: Any = obj
        *parents, last = path.strip(".").split(".")
        for part in parents:
            name, _, index = part.partition("[")
            found = found[name]
            if index:
                found = found[int(index.rstrip("]"))]
        found.pop(last, None)


@cache
def _model(kind: Kind) -> type[BaseModel]:
    model: type[BaseModel] = getattr(models, _MODELS.get(kind.name, f"V1{kind.name}"))
    return model


@cache
def _fields(model: type[BaseModel]) -> dict[str, Any]:
    return {
        (field.serialization_alias or name): field.annotation
        for name, field in model.model_fields.items()
    }


def _unknown(annotation: Any, value: Any, path: str) -> Iterator[str]:  # noqa: ANN401 - any type
    if value is None:
        return
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from _unknown_of_model(_fields(annotation), value, path)
        return
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in {typing.Union, types.UnionType}:
        for argument in arguments:
            if argument is not type(None):
                yield from _unknown(argument, value, path)
    elif origin is typing.Annotated:
        yield from _unknown(arguments[0], value, path)
    elif origin is list and isinstance(value, list):
        for index, element in enumerate(value):
            yield from _unknown(arguments[0], element, f"{path}[{index}]")


def _unknown_of_model(fields: dict[str, Any], value: Any, path: str) -> Iterator[str]:  # noqa: ANN401 - any JSON
    for key, inner in value.items() if isinstance(value, dict) else ():
        if key not in fields:
            yield f"{path}.{key}"
        else:
            yield from _unknown(fields[key], inner, f"{path}.{key}")


def _without_times(obj: Json) -> Json:
    """The object without what the server itself keeps, which no client need get right."""
    metadata = {k: v for k, v in obj.get("metadata", {}).items() if k != "managedFields"}
    return {**obj, "metadata": metadata}
