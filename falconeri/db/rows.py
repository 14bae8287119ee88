"""Rows become typed records here and nowhere else.

A column is a field of the same name. Timestamps leave as the original writes them: UTC, no zone.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from psycopg import AsyncCursor, Cursor

    AnyCursor = Cursor[Any] | AsyncCursor[Any]

T = TypeVar("T")


def record(type_: type[T]) -> Callable[[AnyCursor], Callable[[Sequence[Any]], T]]:
    """A psycopg row factory that makes `type_` of each row."""

    def factory(cursor: AnyCursor) -> Callable[[Sequence[Any]], T]:
        names = [column.name for column in cursor.description or ()]

        def make(values: Sequence[Any]) -> T:
            fields = dict(zip(names, map(_plain, values), strict=True))
            return msgspec.convert(fields, type_)

        return make

    return factory


def _plain(value: Any) -> Any:  # noqa: ANN401 - any column
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None)
    return value
