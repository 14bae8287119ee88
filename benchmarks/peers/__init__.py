"""The peers: other queues in PostgreSQL, each with its own schema and its client's own statements.

Each module has a `load(conn)` that installs the queue into the database and returns it. Nothing of
a peer is in this repository: `benchmarks._registry` fetches its package when the benchmark runs.
"""

from benchmarks._registry import Unavailable
from benchmarks.peers import graphile_worker, pgmq, procrastinate, river

PEERS = {
    "graphile-worker": graphile_worker.load,
    "pgmq": pgmq.load,
    "procrastinate": procrastinate.load,
    "river": river.load,
}

__all__ = ["PEERS", "Unavailable"]
