"""The baseline: the cheapest durable write that PostgreSQL does, one row updated by its key."""

from __future__ import annotations

from benchmarks.queues.queue import Conn, Queue

_STEP = """
\\set id random(1, 100000)
update bench.bare set v = v + 1 where id = :id;
"""


def load(conn: Conn) -> Queue:
    """Create the table that is updated; requires the schema `bench`."""
    conn.execute(
        "create table bench.bare (id integer primary key, v integer) with (fillfactor = 50)"
    )
    conn.execute("insert into bench.bare select i, 0 from generate_series(1, 100000) i")
    return Queue(
        name="bare update",
        version="",
        claim="",
        step=_STEP,
        clear=_clear,
        fill=_fill,
        vacuum=_vacuum,
    )


def _clear(_conn: Conn) -> None:
    pass


def _fill(_conn: Conn, _depth: int) -> str:
    return ""


def _vacuum(conn: Conn) -> None:
    conn.execute("vacuum analyze bench.bare")
