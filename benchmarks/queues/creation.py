"""The creation of a job against COPY of the same bytes into a table without an index.

Both get rows of the same values from the same list, through the same driver. Small jobs are made
several in a row: the first one after the tables were emptied has all its statements planned anew,
which takes as long as writing a thousand rows.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from benchmarks.queues.measure import Measurement, Pair, median
from benchmarks.queues.ours import clear, make_job
from benchmarks.queues.queue import Conn, payload

_LEAST = 20_000  # datums a round


def measure_creation(conn: Conn, depth: int, *, rounds: int) -> Measurement:
    """Measure jobs of so many datums, each between two COPYs; requires the schema `bench`."""
    datums = [payload(number) for number in range(depth)]
    times = max(1, _LEAST // depth)

    def rate(work: Callable[[Conn, list[bytes]], object]) -> float:
        clear(conn)
        conn.execute("drop table if exists bench.raw")
        conn.execute("create table bench.raw (job_no bigint, seq bigint, inputs jsonb)")
        conn.execute("checkpoint")
        began = time.perf_counter()
        for _ in range(times):
            work(conn, datums)
        return times * depth / (time.perf_counter() - began)

    pairs: list[Pair] = []
    before = rate(_copy)
    for _ in range(rounds):
        value = rate(make_job)
        after = rate(_copy)
        pairs.append(Pair(value, (before + after) / 2))
        before = after
    chosen = median(pairs)
    return Measurement(
        work="create",
        queue="ours",
        mode="fresh",
        depth=depth,
        connections=1,
        value=chosen.value,
        unit="datums/s",
        baseline=chosen.baseline,
        ratios=[pair.ratio for pair in pairs],
    )


def _copy(conn: Conn, datums: list[bytes]) -> None:
    with (
        conn.cursor() as cursor,
        cursor.copy("copy bench.raw (job_no, seq, inputs) from stdin") as copy,
    ):
        for seq, inputs in enumerate(datums, start=1):
            copy.write_row((1, seq, inputs.decode()))
