"""COPY of numbered rows of JSON, in the binary format, which costs the server less than text.

Source: "Binary Format" in https://www.postgresql.org/docs/current/sql-copy.html. Called by the
wrappers that stream datums.
"""

from __future__ import annotations

import struct
from itertools import islice
from typing import TYPE_CHECKING, LiteralString

if TYPE_CHECKING:
    from collections.abc import Iterable

    from psycopg import Connection

_HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
_TRAILER = struct.pack(">h", -1)
_NUMBER_AND_JSON = struct.Struct(">iqib")
"""Length and value of a bigint; length of a jsonb and the version of its format, always 1."""

_BATCH = 500
"""Rows sent at once: some 64 kB."""


def bigint(value: int) -> bytes:
    """A field of the type bigint."""
    return struct.pack(">iq", 8, value)


def integer(value: int) -> bytes:
    """A field of the type integer."""
    return struct.pack(">ii", 4, value)


def copy_numbered(
    conn: Connection,
    statement: LiteralString,
    *,
    keys: list[bytes],
    rows: Iterable[bytes],
    after: int,
) -> int:
    """Stream rows of some keys, a number (bigint) and a JSON text (jsonb); return how many.

    Args:
        statement: `copy … from stdin (format binary)`.
        keys: The fields that all rows begin with, as `bigint` and `integer` make them.
        rows: The JSON texts.
        after: The first row gets the next number.
    """
    beginning = struct.pack(">h", len(keys) + 2) + b"".join(keys)
    numbered = enumerate(rows, start=after + 1)
    number = after
    with conn.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(_HEADER)
        while batch := list(islice(numbered, _BATCH)):
            copy.write(
                b"".join(
                    beginning + _NUMBER_AND_JSON.pack(8, number, len(text) + 1, 1) + text
                    for number, text in batch
                )
            )
            number = batch[-1][0]
        copy.write(_TRAILER)
    return number - after
