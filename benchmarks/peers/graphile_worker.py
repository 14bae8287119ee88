"""graphile-worker: its migrations, and the statements that its own code asks for, from npm.

A step is what a worker (`dist/worker.js`) does for each job without a named queue, at the default
settings: `batchCompleteJobs` of one job (`dist/sql/completeJobs.js`), which deletes the row, then
`batchGetJobs` of one (`dist/sql/getJobs.js`). The statements are put together by that code, so it
is run once, by node, with a database connection that only writes down what it is asked. Both are
prepared, as there.

Nothing is left out but listening; it keeps no history.

Waiting items are rows as `add_jobs` leaves them.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from benchmarks._registry import GRAPHILE_WORKER, fetch_npm, run
from benchmarks.queues.queue import Conn, Queue

_SCHEMA = "graphile_worker"
_ASK = """
const dist = process.argv[1] + "/dist/sql/";
const { batchGetJobs } = await import(dist + "getJobs.js");
const { batchCompleteJobs } = await import(dist + "completeJobs.js");
const asked = [];
const client = {
  query: async (query) => {
    asked.push(query.text);
    return { rows: [{ id: 1, identifier: "bench" }] };
  },
};
const withClient = async (use) => use(client);
withClient.withRetries = withClient;
const options = {
  escapedWorkerSchema: '"graphile_worker"',
  workerSchema: "graphile_worker",
  resolvedPreset: { worker: { preparedStatements: true, useNodeTime: false } },
  logger: console,
};
await batchCompleteJobs(options, withClient, "pool", [{ id: "1", job_queue_id: null }]);
await batchGetJobs(options, withClient, { bench: null }, "pool", null, 1);
console.log(JSON.stringify([asked[0], asked.at(-1)]));
"""


def load(conn: Conn) -> Queue:
    """Install it into the schema `graphile_worker` and return its queue.

    Raises:
        Unavailable: The package or node can't be had.
    """
    package = fetch_npm(GRAPHILE_WORKER)
    _migrate(conn, package)
    asked = run(["node", "--input-type=module", "--eval", _ASK, str(package)], cwd=package)
    complete, claim = (_with_variables(text) for text in json.loads(asked))
    claim = f"{claim} \\gset got_\n"
    return Queue(
        name=GRAPHILE_WORKER.name,
        version=GRAPHILE_WORKER.version,
        claim=claim,
        step=f"{complete.replace(':p1', ':got_id')};\n{claim}",
        clear=_clear,
        fill=_fill,
        vacuum=_vacuum,
        variables={"p2": "{1}"},
    )


def _migrate(conn: Conn, package: Path) -> None:
    conn.execute("create schema graphile_worker")
    for file in sorted((package / "sql").glob("*.sql")):
        with conn.transaction():
            text = file.read_text().replace(":GRAPHILE_WORKER_SCHEMA", _SCHEMA)
            conn.execute(text.encode())
    conn.execute("insert into graphile_worker._private_tasks (identifier) values ('bench')")


def _with_variables(text: str) -> str:
    """Put pgbench's variables in the places of the client's parameters."""
    return re.sub(r"\$(\d+)", r":p\1", text.strip())


def _clear(conn: Conn) -> None:
    conn.execute("truncate graphile_worker._private_jobs")


def _fill(conn: Conn, depth: int) -> str:
    with conn.transaction():
        conn.execute(
            """
            insert into graphile_worker._private_jobs (task_id, payload)
            select 1, bench.payload(i)::json from generate_series(1, %s) i
            """,
            (depth,),
        )
    return ""


def _vacuum(conn: Conn) -> None:
    conn.execute("vacuum analyze graphile_worker._private_jobs")
