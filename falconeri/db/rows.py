"""Rows become typed records here and nowhere else.

A column is a field of the same name. Timestamps leave as the original writes them: UTC, no zone,
and no more digits than needed.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from falconeri.wire.codec import Timestamp, converter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from psycopg import AsyncCursor, Cursor
    from psycopg.pq.abc import PGresult

    AnyCursor = Cursor[Any] | AsyncCursor[Any]

T = TypeVar("T", bound=msgspec.Struct)


def record(type_: type[T]) -> Callable[[AnyCursor], Callable[[Sequence[Any]], T]]:
    """A psycopg row factory that makes `type_` of each row."""
    convert = converter(type_)

    def factory(cursor: AnyCursor) -> Callable[[Sequence[Any]], T]:
        names = _names(cursor.pgresult)

        def make(values: Sequence[Any]) -> T:
            fields = dict(zip(names, map(_plain, values), strict=True))
            made = convert(fields)
            shorten_times(made, fields)
            return made

        return make

    return factory


def _names(result: PGresult | None) -> list[str]:
    """Of the columns. `cursor.description` has them, too, at 5 % of what a completion costs."""
    if result is None:
        return []
    return [(result.fname(number) or b"").decode() for number in range(result.nfields)]


def _plain(value: Any) -> Any:  # noqa: ANN401 - any column
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None)
    return value


def shorten_times(made: msgspec.Struct, fields: Mapping[str, Any]) -> None:
    """Replace the few times that msgspec would write with more digits than the original."""
    for name, value in fields.items():
        if isinstance(value, datetime) and value.microsecond and not value.microsecond % 1000:
            short = Timestamp.combine(value.date(), value.time())
            # Not before `convert`, which takes no other class than datetime.
            msgspec.structs.force_setattr(made, name, short)
