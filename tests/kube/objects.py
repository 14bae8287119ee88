"""How the objects of the API are looked into, which may lack any part. Used by all."""

# What is looked into may be anything:
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

from decimal import Decimal
from typing import Any

from kubernetes.utils import quantity

Json = dict[str, Any]
"""An object of the API."""


def part(obj: Json, *path: str) -> Json:
    """What a path leads to; something new and empty if there is nothing."""
    found = _follow(obj, path)
    return {} if found is None else found


def parts(obj: Json, *path: str) -> list[Any]:
    """The list that a path leads to; something new and empty if there is nothing."""
    found = _follow(obj, path)
    return [] if found is None else found


def _follow(obj: Json, path: tuple[str, ...]) -> Any:  # noqa: ANN401 - any JSON
    found: Any = obj
    for word in path:
        if found is None:
            return None
        found = found.get(word)
    return found


def dig(obj: Json, path: str) -> Any:  # noqa: ANN401 - any JSON
    """What a path with dots leads to, through objects and lists; None if there is nothing."""
    found: Any = obj
    for word in path.split("."):
        if isinstance(found, list):
            found = found[int(word)] if int(word) < len(found) else None
        else:
            found = found.get(word) if isinstance(found, dict) else None
    return found


def amount(text: Any) -> Decimal:  # noqa: ANN401 - a client may send anything
    """A quantity: `500Mi`, `0.5`, `100m`.

    Raises:
        ValueError: It is none.
    """
    return Decimal(quantity.parse_quantity(text))
