"""The jobs of the stress run."""

from __future__ import annotations

import json
import random
from uuid import UUID

import psycopg

from tests.sql.factories import make_job

LEASE_S = 1
PER_TRANSACTION = 50
"""Jobs made at once."""


def make_jobs(conn: psycopg.Connection, count: int, seed: str) -> list[UUID]:
    """Tiny jobs of 0 to 6 datums in up to three shards, and one with the usual shards."""
    rng = random.Random(seed)  # noqa: S311 - repeatable
    made: list[UUID] = []
    while len(made) < count:
        with conn.transaction():
            upto = min(len(made) + PER_TRANSACTION, count)
            made += [_make_job(conn, rng, number) for number in range(len(made), upto)]
    return made


def _make_job(conn: psycopg.Connection, rng: random.Random, number: int) -> UUID:
    size = rng.randint(0, 6) if number else 600
    return make_job(
        conn,
        size,
        shards=rng.randint(1, max(1, min(3, size))),
        max_tries=rng.randint(1, 3),
        max_losses=rng.randint(1, 4),
        lease_s=LEASE_S,
        egress_uri=f"s3://out/{number}/",
        retry_delay_s=rng.choice((0, 0, 0, 60)),
        inputs=lambda seq: json.dumps(
            [{"uri": f"s3://in/{number}/{seq}", "local_path": "/pfs/in/1"}]
        ).encode(),
    ).job_id
