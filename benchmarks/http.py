"""What HTTP costs beside the database, and what thousands of waiting workers cost.

Clients claim and complete datums through a falconerid of default settings, against the same
function called by pgbench, and against a Falcon application that does nothing behind the same
Waitress. Then 5,000 workers wait: their memory, how soon one and all of them are told, and what
that leaves of the ordinary requests. Last, how long a falconerid takes to start, against loading
its libraries. benchmarks/README.md says how.

    ./run bench http [--quick] [--json] [--only GROUP] [--save [FOLDER]]
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg

from benchmarks._results import option_parser, show
from benchmarks.http_tier.measure import Bench, Case
from benchmarks.http_tier.report import make_report, save
from benchmarks.http_tier.servers import empty, falconerid
from benchmarks.queues.bursts import make_gates
from falconeri.db.migrate import migrate
from falconeri.local import Server
from falconeri.server.sockets import allow_many

_RESULTS = Path(__file__).resolve().parent / "results"
GROUPS = ("requests", "waiting", "start")


def main() -> int:
    """Measure each case, print it, and save all if asked to."""
    options = _options()
    allow_many()
    # Not below a private directory: as root the embedded PostgreSQL runs as another user.
    state = Path(tempfile.mkdtemp(prefix="falconeri-bench-"))
    state.chmod(0o755)
    try:
        with Server.start(state) as server, psycopg.connect(server.url, autocommit=True) as conn:
            migrate(server.url)
            make_gates(conn)
            found: list[Case] = []
            with falconerid(server.url, state) as api, empty() as bare:
                bench = Bench(
                    server.url,
                    conn,
                    api,
                    bare,
                    round_s=0.7,
                    rounds=3 if options.quick else 9,
                )
                for case in _measure(bench, options, state):
                    show(case.result(), as_json=options.json)
                    found.append(case)
            if options.save:
                for path in save(make_report(conn, found), options.save):
                    print(f"wrote {path}", file=sys.stderr)
    finally:
        shutil.rmtree(state)
    return 0


def _options() -> argparse.Namespace:
    parser = option_parser(__doc__)
    parser.add_argument("--only", choices=GROUPS, help="the cases of this group")
    parser.add_argument(
        "--save",
        metavar="FOLDER",
        nargs="?",
        const=_RESULTS,
        type=Path,
        help="write http.json, .md and .svg (default: %(const)s)",
    )
    options = parser.parse_args()
    if options.save == _RESULTS and (options.quick or options.only):
        parser.error("a part of the cases must not replace the results of all: name a FOLDER")
    return options


def _measure(bench: Bench, options: argparse.Namespace, state: Path) -> Iterator[Case]:
    if options.only in (None, "requests"):
        for connections in (8, 32) if options.quick else (1, 8, 32, 128):
            yield from bench.requests("sockets", connections)
        yield from bench.requests("WorkClient", 8)
    if options.only in (None, "waiting"):
        yield from bench.waiting(1_000 if options.quick else 5_000, wakes=21)
    if options.only in (None, "start"):
        yield from bench.start(state)


if __name__ == "__main__":
    sys.exit(main())
