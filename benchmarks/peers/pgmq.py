"""pgmq: the extension's SQL and its Python client's statements, from the client's wheel on PyPI.

The wheel carries `pgmq/sql/pgmq.sql`, which installs the extension without being one, and
`pgmq/_sql.py` with the client's statements. A step is `ARCHIVE` of one message, which keeps it as
history as the documentation recommends for that (`DELETE` would forget it), then `READ` of one with
a visibility timeout of five minutes. The client is built on psycopg, which prepares both.

Left out, in its favour: BEGIN and COMMIT, as for procrastinate.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from benchmarks._registry import PGMQ, fetch_wheel
from benchmarks.queues.queue import Conn, Queue


def load(conn: Conn) -> Queue:
    """Install it into the schema `pgmq`, make a queue and return it.

    Raises:
        Unavailable: The package can't be had.
    """
    package = fetch_wheel(PGMQ) / "pgmq"
    with conn.transaction():
        conn.execute((package / "sql" / "pgmq.sql").read_bytes())
        conn.execute("select pgmq.create('bench')")
    statements = _statements(package)
    claim = statements["READ"] % (":queue", ":vt", ":qty")
    archive = statements["ARCHIVE"] % (":queue", ":got_msg_id")
    claim = f"{claim.strip().removesuffix(';')} \\gset got_\n"
    return Queue(
        name="pgmq",
        version=(package / "sql" / "VERSION").read_text().strip(),
        claim=claim,
        step=f"{archive}\n{claim}",
        clear=_clear,
        fill=_fill,
        vacuum=_vacuum,
        variables={"queue": "bench", "vt": "300", "qty": "1"},
    )


def _statements(package: Path) -> dict[str, Any]:
    """The constants of the client's module of statements, without importing the client."""
    spec = importlib.util.spec_from_file_location("pgmq_statements", package / "_sql.py")
    if spec is None or spec.loader is None:
        raise ImportError(package)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return vars(module)


def _clear(conn: Conn) -> None:
    conn.execute("truncate pgmq.q_bench, pgmq.a_bench")


def _fill(conn: Conn, depth: int) -> str:
    with conn.transaction():
        conn.execute(
            """
            insert into pgmq.q_bench (vt, message)
            select clock_timestamp(), bench.payload(i) from generate_series(1, %s) i
            """,
            (depth,),
        )
    return ""


def _vacuum(conn: Conn) -> None:
    conn.execute("vacuum analyze pgmq.q_bench, pgmq.a_bench")
