"""Short names for the output functions, for tests."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from falconeri.db import outputs
from falconeri.wire.records import OutputFile
from falconeri.wire.work import Claim, OutputUpdate

A, B = "s3://out/a", "s3://out/b"


def register(
    conn: psycopg.Connection, held: Claim, uris: Sequence[str], pod: str = "pod-1"
) -> list[OutputFile]:
    return outputs.register_outputs(
        conn, datum_id=held.datum_id, pod_name=pod, attempt=held.attempt, uris=uris
    )


def settle(
    conn: psycopg.Connection, held: Claim, updates: Sequence[OutputUpdate], pod: str = "pod-1"
) -> None:
    outputs.settle_outputs(
        conn, datum_id=held.datum_id, pod_name=pod, attempt=held.attempt, updates=updates
    )


def deletions(conn: psycopg.Connection) -> list[str]:
    rows = conn.execute("select uri from falconeri.deletions order by uri").fetchall()
    return [row[0] for row in rows]


def registered(conn: psycopg.Connection) -> list[str]:
    rows = conn.execute("select uri from falconeri.output_files order by uri").fetchall()
    return [row[0] for row in rows]
