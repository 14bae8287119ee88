"""COPY of numbered datums, in the binary format, which costs the server less than text.

Source: "Binary Format" in https://www.postgresql.org/docs/current/sql-copy.html. Called by the
wrappers that stream datums.
"""

from __future__ import annotations

import struct
from itertools import islice
from typing import TYPE_CHECKING, LiteralString

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from psycopg import Connection

_HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
_TRAILER = struct.pack(">h", -1)
_NUMBER_AND_JSON = struct.Struct(">iqib")
"""Length and value of a bigint; length of a jsonb and the version of its format, always 1."""

_BATCH = 100
"""Rows sent at once: some 64 kB."""

_CHUNK = 16
"""Datums in a row, at most. Rows of one are written at less than half the speed, as most of their
cost is the index; with more nothing is gained."""

_CHUNK_BYTES = 1500
"""More in a row PostgreSQL compresses and puts aside, which costs more than is gained."""


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
    datums: Iterable[bytes],
    after: int,
) -> int:
    """Stream datums, several in a row, into a table; return how many.

    Args:
        statement: `copy … from stdin (format binary)` of columns with the keys, the number of a
            row's first datum (bigint) and an array of its datums (jsonb).
        keys: The fields that all rows begin with, as `bigint` and `integer` make them.
        datums: Each a JSON text.
        after: The first datum gets the next number.
    """
    beginning = struct.pack(">h", len(keys) + 2) + b"".join(keys)
    number = after + 1

    def row(chunk: list[bytes]) -> bytes:
        nonlocal number
        text = b"[" + b",".join(chunk) + b"]"
        head = beginning + _NUMBER_AND_JSON.pack(8, number, len(text) + 1, 1)
        number += len(chunk)
        return head + text

    rows = map(row, _chunks(datums))
    with conn.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(_HEADER)
        while batch := b"".join(islice(rows, _BATCH)):
            copy.write(batch)
        copy.write(_TRAILER)
    return number - after - 1


def _chunks(datums: Iterable[bytes]) -> Iterator[list[bytes]]:
    chunk: list[bytes] = []
    length = 0
    for datum in datums:
        if chunk and (len(chunk) == _CHUNK or length + len(datum) > _CHUNK_BYTES):
            yield chunk
            chunk, length = [], 0
        chunk.append(datum)
        length += len(datum)
    if chunk:
        yield chunk
