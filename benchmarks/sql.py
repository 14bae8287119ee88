"""What a datum costs the database: claim and completion against the cheapest possible write.

`ours complete_and_claim` ends one datum and takes the next, inputs included, in one call; the
peers end one item and take the next with their own schema and their clients' own statements
(peers/*.py say which); the baseline of all is an update of one row by its primary key. They run in
pgbench with prepared statements, in turn, on the same durable server, for several depths of the
queue and numbers of connections; then for seconds without a pause, with autovacuum on, off, and
with an old snapshot held open. `ours create` writes a job's datums through `copy_datums` and starts
it, against COPY of the same bytes into a bare table.

    ./run bench sql [--quick] [--json] [--peers | --no-peers] [--only TEXT] [--save [FOLDER]]
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from benchmarks._results import option_parser, show
from benchmarks.peers import PEERS, Unavailable
from benchmarks.queues import bare, ours
from benchmarks.queues.bursts import make_gates
from benchmarks.queues.creation import measure_creation
from benchmarks.queues.measure import (
    SUSTAINED,
    Bench,
    Measurement,
    Mode,
    Stock,
    creation_name,
    step_name,
)
from benchmarks.queues.queue import Conn, Queue, make_payloads
from benchmarks.queues.report import make_report, save
from falconeri.db.migrate import migrate
from falconeri.local import Server

_RESULTS = Path(__file__).resolve().parent / "results"
_SCRAM_ITERATIONS_SINCE = 160_000


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much is measured; `only` is in the names of the cases that are."""

    depths: tuple[int, ...]
    connections: tuple[int, ...]
    rounds: int
    round_s: float
    burst_s: float
    modes: tuple[Mode, ...]
    sustained_depth: int
    sustained_connections: tuple[int, ...]
    only: str


def main() -> int:
    """Measure each case, print it, and save all if asked to."""
    options = _options()
    plan = _plan(quick=options.quick, only=options.only)
    # Not below a private directory: as root the embedded PostgreSQL runs as another user.
    state = Path(tempfile.mkdtemp(prefix="falconeri-bench-"))
    state.chmod(0o755)
    try:
        with Server.start(state) as server, psycopg.connect(server.url, autocommit=True) as conn:
            migrate(server.url)
            make_gates(conn)
            make_payloads(conn)
            _hasten_logins(conn, server)
            seconds = {"round_s": plan.round_s, "burst_s": plan.burst_s}
            bench = Bench(server.url, conn, bare.load(conn), **seconds)
            queues = [ours.load(), *(_load_peers(conn) if options.peers else ())]
            found: list[Measurement] = []
            for measurement in _measure(bench, conn, queues, plan):
                show(measurement.result(), as_json=options.json)
                found.append(measurement)
            if options.save:
                report = make_report(conn, queues, found, **seconds)
                for path in save(report, options.save):
                    print(f"wrote {path}", file=sys.stderr)
    finally:
        shutil.rmtree(state)
    return 0


def _options() -> argparse.Namespace:
    parser = option_parser(__doc__)
    parser.add_argument(
        "--peers",
        action=argparse.BooleanOptionalAction,
        help="measure them, too (unless --quick; their packages are fetched)",
    )
    parser.add_argument("--only", metavar="TEXT", default="", help="cases with this in their names")
    parser.add_argument(
        "--save",
        metavar="FOLDER",
        nargs="?",
        const=_RESULTS,
        type=Path,
        help="write sql-<version of PostgreSQL>.json, .md and .svg (default: %(const)s)",
    )
    options = parser.parse_args()
    if options.peers is None:
        options.peers = not options.quick
    if options.save == _RESULTS and (options.quick or options.only):
        parser.error("a part of the cases must not replace the results of all: name a FOLDER")
    return options


def _plan(*, quick: bool, only: str) -> Plan:
    return Plan(
        depths=(100_000,) if quick else (1_000, 100_000, 1_000_000),
        connections=(8, 32) if quick else (8, 32, 128),
        rounds=3,
        round_s=1.2,
        burst_s=2.0,
        modes=() if quick else SUSTAINED,
        sustained_depth=100_000,
        sustained_connections=(8, 32),
        only=only,
    )


def _hasten_logins(conn: Conn, server: Server) -> None:
    """Hash the password once instead of 4,096 times: 128 logins would take a second."""
    if conn.info.server_version >= _SCRAM_ITERATIONS_SINCE:
        conn.execute("set scram_iterations = 1")
        conn.execute(
            sql.SQL("alter role {} password {}").format(
                sql.Identifier(server.address.user), sql.Literal(server.address.password)
            )
        )


def _load_peers(conn: Conn) -> Iterator[Queue]:
    for name, load in PEERS.items():
        try:
            yield load(conn)
        except Unavailable as ex:
            print(f"{name} is left out: {ex}", file=sys.stderr)


def _measure(bench: Bench, conn: Conn, queues: list[Queue], plan: Plan) -> Iterator[Measurement]:
    for depth in plan.depths:
        if plan.only in creation_name(depth):
            yield measure_creation(conn, depth, rounds=plan.rounds)
        stocks = [Stock(conn, queue, depth) for queue in queues]
        for connections in plan.connections:
            wanted = _wanted(stocks, connections, "fresh", plan.only)
            yield from bench.fresh(wanted, connections, rounds=plan.rounds)
    for mode in plan.modes:
        for connections in plan.sustained_connections:
            stocks = [Stock(conn, queue, plan.sustained_depth) for queue in queues]
            wanted = _wanted(stocks, connections, mode, plan.only)
            yield from bench.sustained(wanted, connections, mode)


def _wanted(stocks: list[Stock], connections: int, mode: Mode, only: str) -> list[Stock]:
    return [
        stock
        for stock in stocks
        if only in step_name(stock.queue.name, stock.depth, connections, mode)
    ]


if __name__ == "__main__":
    sys.exit(main())
