"""What is measured of the HTTP tier, and how: each round beside its baselines in the same seconds.

The machine is noisy and shared, so rates mean little. Of several rounds the one with the median
ratio counts.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from uuid import UUID

import msgspec

from benchmarks._results import Result
from benchmarks.http_tier import load, talk, waiters
from benchmarks.http_tier.servers import Running
from benchmarks.queues import ours
from benchmarks.queues.bursts import Clients
from benchmarks.queues.measure import Pair, Stock, median
from benchmarks.queues.queue import Conn, payload
from falconeri.db import controls, jobs

DEPTH = 100_000
HOLD_S = 25.0
LOAD_CONNECTIONS = 32
"""Of the ordinary requests while thousands wait."""
_WARM_UP_STEPS = 200
_QUIET = 0.25
"""Of a processor: what 5,000 waiters take who ask again each 25 s, with a margin."""
_QUIET_LIMIT_S = 60.0

Turn = Callable[[], tuple[float, float]]
"""Lets clients work for a round; returns their steps per second, and the server's processor time
that each took in seconds."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One figure.

    Args:
        group: Those of one table.
        goal: What its value, or its ratio, should at most or at least be; None: there is none.
        baseline: In the same unit; 1 for what has none, so that the ratio is the value.
        ratios: Of each round to its baseline; of what has none, each value.
    """

    group: str
    name: str
    value: float
    unit: str
    baseline: float = 1.0
    ratios: list[float] = []
    goal: str = ""

    @property
    def ratio(self) -> float:
        """How many times the baseline."""
        return self.value / self.baseline

    def result(self) -> Result:
        """The same for people to read."""
        spread = (min(self.ratios), max(self.ratios)) if self.ratios else (None, None)
        return Result("http", self.name, self.value, self.unit, self.baseline, *spread)


class Bench:
    """Measures a falconerid and its baselines, all on one machine and one PostgreSQL.

    Args:
        conn: In autocommit mode; with `make_gates`.
        round_s: How long a round of each is.
    """

    def __init__(
        self, url: str, conn: Conn, api: Running, bare: Running, *, round_s: float, rounds: int
    ) -> None:
        self._url = url
        self._conn = conn
        self._api = api
        self._bare = bare
        self._round_s = round_s
        self._rounds = rounds
        self._payloads = [payload(number) for number in range(DEPTH)]

    def requests(self, kind: load.Kind, connections: int) -> Iterator[Case]:
        """Claim and complete through HTTP, by pgbench, and ask for nothing, in turn."""
        rates: dict[str, list[float]] = {"http": [], "pgbench": [], "empty": []}
        cpu_s: dict[str, list[float]] = {"http": [], "empty": []}
        with ExitStack() as opened:
            turns = {
                "http": opened.enter_context(self._load(kind, connections)),
                "pgbench": opened.enter_context(self._pgbench(connections)),
                "empty": opened.enter_context(self._load("empty", connections)),
            }
            for _ in range(self._rounds):
                for name, turn in turns.items():
                    rate, used_s = turn()
                    rates[name].append(rate)
                    if name in cpu_s:
                        cpu_s[name].append(used_s)
        who = "" if kind == "sockets" else f" of {kind}"
        for baseline, text in (("pgbench", "pgbench"), ("empty", "an empty handler")):
            pairs = [Pair(*pair) for pair in zip(rates["http"], rates[baseline], strict=True)]
            yield _compared(
                "requests", f"{connections} connections{who}, against {text}", "1/s", pairs
            )
        pairs = [Pair(a * 1e6, b * 1e6) for a, b in zip(cpu_s["http"], cpu_s["empty"], strict=True)]
        name = f"{connections} connections{who}, processor time against an empty handler"
        yield _compared("processor", name, "us/request", pairs)

    def waiting(self, count: int, *, wakes: int) -> Iterator[Case]:
        """So many waiters: what they cost, how soon they are told, and what others notice."""
        label = f"{count:,} waiters"
        self._warm_up()
        before = self._api.memory_bytes()
        with self._waiters(self._job(1, tries=wakes + 2), count) as crowd:
            used = self._api.memory_bytes() - before
            yield Case(
                group="waiting",
                name=f"{label}, memory",
                value=used / 1e6,
                unit="MB",
                goal="< 100" if count == 5_000 else "",  # noqa: PLR2004 - the goal's number
            )
            after_s = [self._told(crowd, waiters.Command.FAIL)[0] for _ in range(wakes)]
            yield _told(f"{label}, one is woken", after_s, goal="< 20")
            after_s = self._told(crowd, waiters.Command.CANCEL)
            yield _told(f"{label}, the last one is told of the job's end", after_s[-1:])
        job_id = self._job(count + 1)
        controls.pause_job(self._conn, job_id=job_id)
        with self._waiters(job_id, count) as crowd:
            after_s = self._told(crowd, waiters.Command.RESUME)
            yield _told(f"{label}, the last of as many datums is handed out", after_s[-1:])
        yield self._throughput(label, count)

    def _throughput(self, label: str, count: int) -> Case:
        pairs: list[Pair] = []
        with self._load("sockets", LOAD_CONNECTIONS) as turn:
            for _ in range(self._rounds):
                before, _ = turn()
                with self._waiters(self._job(1), count):
                    during, _ = turn()
                self._settle()
                after, _ = turn()
                pairs.append(Pair(during, (before + after) / 2))
        name = f"{label}, ordinary requests against those without"
        return _compared("waiting", name, "1/s", pairs, goal="at least 0.9 times")

    @contextmanager
    def _load(self, kind: load.Kind, connections: int) -> Generator[Turn]:
        """Clients of a server."""
        server = self._bare if kind == "empty" else self._api
        job_id = ours.make_job(self._conn, self._payloads)
        settings = load.Settings(
            kind=kind, login=server.login(job_id), connections=connections, job_id=job_id
        )
        with talk.running("load", settings) as program:
            program.hear(load.Done)

            def turn() -> tuple[float, float]:
                began_s = server.cpu_s()
                program.tell(self._round_s)
                done = program.hear(load.Done)
                return done.steps / done.elapsed_s, (server.cpu_s() - began_s) / done.steps

            yield turn

    @contextmanager
    def _pgbench(self, connections: int) -> Generator[Turn]:
        """Clients of the database that do the same as falconerid."""

        def fill(conn: Conn, _depth: int) -> str:
            # The other jobs stay: HTTP's clients are at work on one.
            return str(ours.make_job(conn, self._payloads))

        stock = Stock(self._conn, replace(ours.load(), fill=fill), DEPTH)
        stock.restore()
        with Clients(self._url, stock.queue, connections) as clients:

            def turn(steps: float) -> float:
                each = stock.draw(connections, steps / connections, share=0.1)
                return each * connections / clients.burst(each, stock.source)

            rate = turn(_WARM_UP_STEPS)
            yield lambda: (turn(rate * self._round_s), 0.0)

    @contextmanager
    def _waiters(self, job_id: UUID, count: int) -> Generator[talk.Program]:
        settings = waiters.Settings(
            rest=self._api.admin(),
            waiting=self._api.login(job_id, waiting=True),
            job_id=job_id,
            count=count,
            hold_s=HOLD_S,
        )
        with talk.running("waiters", settings) as program:
            program.hear(float)
            self._settle()
            yield program

    def _told(self, crowd: talk.Program, command: waiters.Command) -> list[float]:
        crowd.tell(command)
        return crowd.hear(waiters.Told).after_s

    def _warm_up(self) -> None:
        """Let the server load what waiting needs, so that the waiters alone are counted."""
        with self._waiters(self._job(1), 100):
            pass
        self._settle()

    def _settle(self) -> None:
        """Wait until the server has dealt with all who came or went."""
        deadline = time.monotonic() + _QUIET_LIMIT_S
        while time.monotonic() < deadline:
            began_s = self._api.cpu_s()
            time.sleep(0.5)
            if self._api.cpu_s() - began_s < 0.5 * _QUIET:
                return

    def _job(self, datums: int, *, tries: int = 1) -> UUID:
        with self._conn.transaction():
            key = jobs.create_job(
                self._conn,
                pipeline_name="bench",
                pipeline_spec={},
                command=["true"],
                egress_uri="s3://bucket/out/",
                parallelism=0,
                max_tries=tries,
                timeout_s=None,
            )
            count = jobs.copy_datums(self._conn, job_no=key.job_no, datums=self._payloads[:datums])
            jobs.start_job(self._conn, job_no=key.job_no, datum_count=count)
        return key.job_id


def _compared(group: str, name: str, unit: str, pairs: Sequence[Pair], *, goal: str = "") -> Case:
    chosen = median(pairs)
    return Case(
        group=group,
        name=name,
        value=chosen.value,
        unit=unit,
        baseline=chosen.baseline,
        ratios=[pair.ratio for pair in pairs],
        goal=goal,
    )


def _told(name: str, after_s: Sequence[float], *, goal: str = "") -> Case:
    after_ms = [each * 1000 for each in after_s]
    return Case(
        group="waiting",
        name=name,
        value=statistics.median(after_ms),
        unit="ms",
        ratios=after_ms,
        goal=goal,
    )
