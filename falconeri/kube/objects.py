"""Objects as the Kubernetes API has them, and ways into them."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]
"""A Kubernetes object, as JSON has it."""


def name_of(obj: Object) -> str:
    """Its name."""
    return obj["metadata"]["name"]


def part(obj: Object, *path: str) -> Object:
    """The object that a path leads to; an empty one if there is none."""
    found: Any = _follow(obj, path)
    return {} if found is None else found


def parts(obj: Object, *path: str) -> list[Object]:
    """The list that a path leads to; an empty one if there is none."""
    found: Any = _follow(obj, path)
    return [] if found is None else found


def _follow(obj: Object, path: tuple[str, ...]) -> Any:  # noqa: ANN401 - any JSON
    found: Any = obj
    for word in path:
        if found is None:
            return None
        found = found.get(word)
    return found
