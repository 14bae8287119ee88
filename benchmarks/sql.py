"""What a datum costs the database: claim and completion against the cheapest possible write.

`ours complete_and_claim` ends one datum and takes the next, inputs included, in one call; the
baseline is an update of a single row by its primary key. Both run in pgbench with prepared
statements, on the same durable server, one after the other, for several depths of the job and
numbers of connections. `ours create` writes a job's datums through `copy_datums` and starts it,
against COPY of the same bytes into a bare table.

    ./run bench sql [--quick] [--json]
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import psycopg
from results import Result, arguments, show

from falconeri.db import jobs
from falconeri.db.migrate import migrate
from falconeri.local import Server
from falconeri.local._binaries import wheel_folder
from falconeri.wire import codec
from falconeri.wire.work import InputRef

ROUND_S = 4
BARE = """
\\set id random(1, 100000)
update bench.bare set v = v + 1 where id = :id;
"""
STEP = """
\\if :first
select datum_id, attempt
from falconeri.claim_datum(:job_id::uuid, 'pod-' || :client_id, 'node', true, 0::smallint) \\gset
\\set first 0
\\endif
select datum_id, attempt from falconeri.complete_and_claim(
  :datum_id::uuid, 'pod-' || :client_id, :attempt,
  row('done', null, 'some output', null, null, 0, null, 1, 2, 0.1, 1000)::falconeri.report, true
) \\gset
"""


def main() -> int:
    """Measure each case and print it."""
    options = arguments(__doc__)
    depths = (100_000,) if options.quick else (1_000, 100_000, 1_000_000)
    connections = (8, 32) if options.quick else (8, 32, 128)
    # Not below a private directory: as root the embedded PostgreSQL runs as another user.
    state = Path(tempfile.mkdtemp(prefix="falconeri-bench-"))
    state.chmod(0o755)
    try:
        with Server.start(state) as server:
            bench = Bench(server, state)
            for depth in depths:
                show(bench.create(depth), as_json=options.json)
                for count in connections:
                    show(bench.step(depth, count), as_json=options.json)
    finally:
        shutil.rmtree(state)
    return 0


class Bench:
    """A migrated database with a bare table beside ours."""

    def __init__(self, server: Server, folder: Path) -> None:
        self._url = server.url
        self._pgbench = (wheel_folder() or Path("/usr/bin")) / "pgbench"
        self._folder = folder
        migrate(self._url)
        self._conn = psycopg.connect(self._url, autocommit=True)
        self._conn.execute("create schema bench")
        self._conn.execute(
            "create table bench.bare (id integer primary key, v integer) with (fillfactor = 50)"
        )
        self._conn.execute("insert into bench.bare select i, 0 from generate_series(1, 100000) i")
        self._conn.execute("create table bench.raw (job_no bigint, seq bigint, inputs jsonb)")
        self._conn.execute("vacuum analyze bench.bare")

    def create(self, depth: int) -> Result:
        """Datums per second of a new job, against COPY of the same rows into a bare table."""
        began = time.perf_counter()
        with (
            self._conn.cursor() as cursor,
            cursor.copy("copy bench.raw (job_no, seq, inputs) from stdin") as copy,
        ):
            for seq, line in enumerate(_lines(depth), start=1):
                copy.write_row((1, seq, line.decode()))
        raw_s = time.perf_counter() - began
        self._conn.execute("truncate bench.raw")
        began = time.perf_counter()
        self._make_job(depth)
        return Result(
            bench="sql",
            case=f"ours create, {depth} datums",
            value=depth / (time.perf_counter() - began),
            unit="datums/s",
            baseline=depth / raw_s,
        )

    def step(self, depth: int, connections: int) -> Result:
        """Steps per second, against updates per second."""
        before = self._bare_tps(connections)
        steps, elapsed_s = 0, 0.0
        each = max(1, depth * 9 // 10 // connections)
        while elapsed_s < ROUND_S:
            job_id = self._make_job(depth)
            self._conn.execute(
                "vacuum analyze falconeri.shards, falconeri.claims, falconeri.datums"
            )
            tps, done = self._run(STEP, connections, "-t", str(min(each, 2_000)), job_id=job_id)
            steps, elapsed_s = steps + done, elapsed_s + done / tps
        after = self._bare_tps(connections)
        return Result(
            bench="sql",
            case=f"ours complete_and_claim, {depth} deep, {connections} connections",
            value=steps / elapsed_s,
            unit="1/s",
            baseline=(before + after) / 2,
        )

    def _bare_tps(self, connections: int) -> float:
        return self._run(BARE, connections, "-T", str(ROUND_S))[0]

    def _make_job(self, depth: int) -> UUID:
        with self._conn.transaction():
            key = jobs.create_job(
                self._conn,
                pipeline_name="bench",
                pipeline_spec={},
                command=["true"],
                egress_uri="s3://bucket/out/",
                parallelism=0,
                max_tries=1,
                timeout_s=None,
            )
            jobs.copy_datums(self._conn, job_no=key.job_no, datums=_lines(depth))
            jobs.start_job(self._conn, job_no=key.job_no)
        return key.job_id

    def _run(
        self, script: str, connections: int, *limit: str, job_id: UUID | None = None
    ) -> tuple[float, int]:
        """Run a script in pgbench; return transactions per second, and how many there were."""
        file = self._folder / "script.sql"
        file.write_text(script)
        definitions = ["-D", "first=1", "-D", f"job_id={job_id}"]
        command = [self._pgbench, "-n", "-M", "prepared", "-c", str(connections), "-j", "2"]
        answer = subprocess.run(
            [*command, *limit, *definitions, "-f", file, self._url],
            capture_output=True,
            text=True,
            check=False,
        )
        tps = re.search(r"tps = ([0-9.]+)", answer.stdout)
        done = re.search(r"actually processed: (\d+)", answer.stdout)
        if answer.returncode or tps is None or done is None:
            sys.exit(f"pgbench failed: {answer.stderr}")
        return float(tps[1]), int(done[1])


def _lines(depth: int) -> Iterator[bytes]:
    for number in range(depth):
        yield codec.encode(
            [InputRef(uri=f"s3://bucket/in/{number}", local_path=f"/pfs/in/{number}")]
        )


if __name__ == "__main__":
    sys.exit(main())
