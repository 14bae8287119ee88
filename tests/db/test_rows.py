"""Rows as records, and how their times are written."""

from __future__ import annotations

from datetime import datetime

import msgspec
import psycopg
import pytest

from falconeri.db.rows import record
from falconeri.wire import codec


class Moment(msgspec.Struct, frozen=True):
    at: datetime
    word: str


@pytest.mark.parametrize(
    ("fraction", "written"),
    [
        ("", ""),
        (".000000", ""),
        (".5", ".500"),
        (".12", ".120"),
        (".123", ".123"),
        (".1234", ".123400"),
        (".000001", ".000001"),
    ],
)
def test_times_are_written_in_utc_with_no_digits_or_three_or_six(
    conn: psycopg.Connection, fraction: str, written: str
) -> None:
    time = f"2018-07-06 13:27:50{fraction}+02"
    with conn.cursor(row_factory=record(Moment)) as cursor:
        moment = cursor.execute("select %s::timestamptz as at, %s as word", (time, time)).fetchone()

    assert codec.encode(moment) == b'{"at":"2018-07-06T11:27:50%b","word":"%b"}' % (
        written.encode(),
        time.encode(),
    )
