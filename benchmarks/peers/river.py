"""River: its driver for pgx, from the Go module proxy: its migrations and two of its queries.

A step is `JobSetStateIfRunningMany` for one job that was done (what `InlineCompleter` in
`internal/jobcompleter` calls, with the parameters that `JobSetStateCompleted` and the driver's
`JobSetStateIfRunningMany` make of it), then `JobGetAvailable` with at most one to lock (as a
`producer` with one free slot does). Done rows stay, as River keeps them for a day. pgx prepares
both. The texts are those of `internal/dbsqlc/river_job.sql.go`.

River's default `BatchCompleter` and a producer with many slots send the same two statements for
many jobs at a time, from one process; a fleet of workers in processes of their own, which is what
is measured here of all queues, can't. Left out, in its favour: leadership, notifications and
maintenance. Parameters that are the same for all jobs are constants, arrays of one are
constructors.
"""

from __future__ import annotations

import re

from benchmarks._registry import RIVER, fetch_go
from benchmarks.queues.queue import Conn, Queue

_CLAIM_PARAMETERS = (
    "null",  # now
    "100",  # the most that attempted_by remembers
    ":client_id",
    "'default'",  # the queue
    "null",  # kinds
    "1",  # the most to lock
)
_DONE_PARAMETERS = (
    "array[:got_id]",
    "array[false]",  # attempt?
    "array[0]",
    "array[false]",  # errors?
    "array[null]",
    "array[true]",  # finalized_at?
    "array[now()]",
    "array[false]",  # metadata?
    "array[null]",
    "array[false]",  # scheduled_at?
    "array['0001-01-01 00:00:00+00']",
    "array['completed']",
    "null",  # now
)


def load(conn: Conn) -> Queue:
    """Install it into the schema `river` and return its queue.

    Raises:
        Unavailable: The package can't be had.
    """
    package = fetch_go(RIVER)
    conn.execute("create schema river")
    for file in sorted((package / "migration" / "main").glob("*.up.sql")):
        with conn.transaction():
            conn.execute("set local search_path = river")
            conn.execute(file.read_bytes())
    source = (package / "internal" / "dbsqlc" / "river_job.sql.go").read_text()
    claim = _query(source, "jobGetAvailable", _CLAIM_PARAMETERS) + " \\gset got_\n"
    done = _query(source, "jobSetStateIfRunningMany", _DONE_PARAMETERS)
    return Queue(
        name="river",
        version=RIVER.version.removeprefix("v"),
        claim=claim,
        step=f"{done};\n{claim}",
        clear=_clear,
        fill=_fill,
        vacuum=_vacuum,
        search_path="river",
    )


def _query(source: str, name: str, parameters: tuple[str, ...]) -> str:
    """A query of the generated Go code, with these parameters."""
    found = re.search(rf"const {name} = `(.*?)`", source, re.DOTALL)
    if found is None:
        raise LookupError(name)
    text = re.sub(r"--[^\n]*|/\*.*?\*/", "", found[1])  # pgbench would find variables in them
    return re.sub(r"\$(\d+)", lambda match: parameters[int(match[1]) - 1], text).strip()


def _clear(conn: Conn) -> None:
    conn.execute("truncate river.river_job")


def _fill(conn: Conn, depth: int) -> str:
    with conn.transaction():
        conn.execute("set local search_path = river")
        conn.execute(
            """
            insert into river_job (args, kind, max_attempts)
            select bench.payload(i), 'bench', 25 from generate_series(1, %s) i
            """,
            (depth,),
        )
    return ""


def _vacuum(conn: Conn) -> None:
    conn.execute("vacuum analyze river.river_job")
