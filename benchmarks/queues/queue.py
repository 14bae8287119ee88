"""What a queue is to this benchmark, and the payload that all of them hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from psycopg import Connection

from falconeri.wire import codec
from falconeri.wire.work import InputRef

Conn = Connection[tuple[Any, ...]]


@dataclass(frozen=True, kw_only=True)
class Queue:
    """A queue in the database, and what a client of it does, as pieces of a pgbench script.

    Both pieces leave what the next step needs in variables whose names begin with `got_`.

    Args:
        claim: Takes a first item.
        step: Ends the item that the client holds and takes the next. Sets `done` to 0 if it has to
            be tried again.
        clear: Empties the queue.
        fill: Makes so many more items wait in it; returns the job to work on, for `:source` in the
            pieces.
        jobs: Each filling is a job of its own: clients claim anew, and what is left of the one
            before is left behind.
        vacuum: Vacuums and analyses its tables.
        variables: More pgbench variables.
        search_path: What its statements find their tables by.
    """

    name: str
    version: str
    claim: str
    step: str
    clear: Callable[[Conn], None]
    fill: Callable[[Conn, int], str]
    vacuum: Callable[[Conn], None]
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    search_path: str = "public"
    jobs: bool = False


def payload(number: int) -> bytes:
    """The JSON of one datum's inputs; the peers' items hold the same as `{"inputs": …}`."""
    return codec.encode([InputRef(uri=f"s3://bucket/in/{number}", local_path=f"/pfs/in/{number}")])


def make_payloads(conn: Conn) -> None:
    """Create `bench.payload(number)`, which returns what a peer's item holds.

    Requires the schema `bench`.
    """
    conn.execute(
        """
        create function bench.payload(p_number bigint) returns jsonb
        language sql immutable parallel safe return jsonb_build_object(
          'inputs', jsonb_build_array(jsonb_build_object(
            'uri', 's3://bucket/in/' || p_number, 'local_path', '/pfs/in/' || p_number
          ))
        )
        """
    )
