"""What is measured of the HTTP tier, and how: each round beside its baselines in the same seconds.

The machine is noisy and shared, so rates mean little. Of several rounds the one with the median
ratio counts.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import msgspec

from benchmarks._results import Result
from benchmarks.http_tier import load, talk, waiters
from benchmarks.http_tier.servers import Running, cpu_s
from benchmarks.http_tier.start import libraries_s, start_s
from benchmarks.queues import ours
from benchmarks.queues.bursts import Clients
from benchmarks.queues.measure import Pair, Stock, median
from benchmarks.queues.queue import Conn, payload
from falconeri.db import controls, jobs
from falconeri.wire.work import MAX_HOLD_S

DEPTH = 100_000
LOAD_CONNECTIONS = 32
"""Of the ordinary requests while thousands wait."""
_LONG_ROUND = 3
"""So many times as long are the rounds beside waiters, since gathering those takes seconds."""
_REPEATS = 3
_WARM_UP_STEPS = 200
_SHORT_HOLD_S = 10.0
"""So that all have asked again, more than once, when their cost is measured."""
_QUIET = 0.15
"""Of a processor: what 5,000 waiters take who ask again, with a margin."""
_QUIET_LIMIT_S = 60.0


@dataclass(frozen=True)
class Round:
    """What a round came to.

    Args:
        rate: Steps, or empty requests, per second.
        server_s: The server's processor time for each; 0 if nobody asked.
        client_s: The clients' own.
    """

    rate: float
    server_s: float = 0.0
    client_s: float = 0.0


Turn = Callable[[], Round]
"""Lets clients work for a round."""


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
        with ExitStack() as opened:
            http = opened.enter_context(self._load(kind, connections))
            pgbench = opened.enter_context(self._pgbench(connections))
            empty = opened.enter_context(self._load("empty", connections))
            rounds = [(http(), pgbench(), empty()) for _ in range(self._rounds)]
        label = f"{connections} connections" + ("" if kind == "sockets" else f" of {kind}")
        name = f"{label}, against pgbench"
        yield _compared("requests", name, "1/s", [Pair(h.rate, p.rate) for h, p, _ in rounds])
        name = f"{label}, against an empty handler"
        yield _compared("requests", name, "1/s", [Pair(h.rate, e.rate) for h, _, e in rounds])
        name = f"{label}, falconerid against an empty handler"
        yield _compared(
            "processor", name, "us", [_us(h.server_s, e.server_s) for h, _, e in rounds]
        )
        name = f"{label}, the clients against falconerid"
        yield _compared(
            "processor", name, "us", [_us(h.client_s, h.server_s) for h, _, _ in rounds]
        )

    def waiting(self, count: int, *, wakes: int) -> Iterator[Case]:
        """So many waiters: what they cost, how soon they are told, and what others notice."""
        label = f"{count:,} waiters"
        self._warm_up()
        yield from self._costs(label, count)
        with self._waiters(self._job(1, tries=wakes + 2), count) as crowd:
            after_s = [self._told(crowd, waiters.Command.FAIL)[0] for _ in range(wakes)]
            yield _told(f"{label}, one is woken", after_s, goal="at most 20")
        after_s = [self._hand_out(count) for _ in range(_REPEATS)]
        yield _told(f"{label}, the last of as many datums is handed out", after_s)
        yield from self._throughput(label, count)

    def start(self, state: Path) -> Iterator[Case]:
        """From the start of a falconerid of its own to its first "ready"."""
        pairs = [
            Pair(start_s(self._url, state) * 1e3, libraries_s() * 1e3) for _ in range(self._rounds)
        ]
        name = "until /readyz, against loading its libraries"
        yield _compared("start", name, "ms", pairs, goal="at most 1,000 ms")

    def _costs(self, label: str, count: int) -> Iterator[Case]:
        before = self._api.memory_bytes()
        with self._waiters(self._job(1), count, hold_s=_SHORT_HOLD_S):
            time.sleep(_SHORT_HOLD_S)
            began_s = self._api.cpu_s()
            time.sleep(_SHORT_HOLD_S)
            used_s = self._api.cpu_s() - began_s
            used = self._api.memory_bytes() - before
        yield Case(
            group="waiting",
            name=f"{label}, memory",
            value=used / 1e6,
            unit="MB",
            goal="at most 100" if count == 5_000 else "",  # noqa: PLR2004 - the goal's number
        )
        name = f"{label}, processor time for one that asks again (each {MAX_HOLD_S:.0f} s)"
        yield Case(group="waiting", name=name, value=used_s / count * 1e6, unit="us")

    def _hand_out(self, count: int) -> float:
        """Seconds from a paused job's going on until all have a datum."""
        job_id = self._job(count + 1)
        controls.pause_job(self._conn, job_id=job_id)
        with self._waiters(job_id, count) as crowd:
            return self._told(crowd, waiters.Command.RESUME)[-1]

    def _throughput(self, label: str, count: int) -> Iterator[Case]:
        pairs: list[Pair] = []
        ends_s: list[float] = []
        for _ in range(self._rounds):
            with self._load("sockets", LOAD_CONNECTIONS, long=True) as turn:
                before = turn().rate
                with self._waiters(self._job(1), count) as crowd:
                    during = turn().rate
                    ends_s.append(self._told(crowd, waiters.Command.CANCEL)[-1])
                self._settle()
                pairs.append(Pair(during, (before + turn().rate) / 2))
        yield _told(f"{label}, the last one is told of the job's end", ends_s)
        name = f"{label}, ordinary requests against those without"
        yield _compared("waiting", name, "1/s", pairs, goal="at least 0.9 times")

    @contextmanager
    def _load(self, kind: load.Kind, connections: int, *, long: bool = False) -> Generator[Turn]:
        """Clients of a server."""
        round_s = self._round_s * (_LONG_ROUND if long else 1)
        server = self._bare if kind == "empty" else self._api
        job_id = ours.make_job(self._conn, self._payloads)
        settings = load.Settings(
            kind=kind, login=server.login(job_id), connections=connections, job_id=job_id
        )
        with talk.running("load", settings) as program:
            program.hear(load.Done)

            def turn() -> Round:
                server_s, client_s = server.cpu_s(), cpu_s(program.pid)
                program.tell(round_s)
                done = program.hear(load.Done)
                return Round(
                    done.steps / done.elapsed_s,
                    (server.cpu_s() - server_s) / done.steps,
                    (cpu_s(program.pid) - client_s) / done.steps,
                )

            yield turn

    @contextmanager
    def _pgbench(self, connections: int) -> Generator[Turn]:
        """Clients of the database that do the same as falconerid."""

        def keep(_conn: Conn) -> None:
            """The other jobs stay: HTTP's clients are at work on one."""

        stock = Stock(self._conn, replace(ours.load(), clear=keep), DEPTH)
        stock.restore()
        with Clients(self._url, stock.queue, connections) as clients:

            def turn(steps: float) -> float:
                each = stock.draw(connections, steps / connections, share=0.1)
                return each * connections / clients.burst(each, stock.source)

            rate = turn(_WARM_UP_STEPS)
            yield lambda: Round(turn(rate * self._round_s))

    @contextmanager
    def _waiters(
        self, job_id: UUID, count: int, *, hold_s: float = MAX_HOLD_S
    ) -> Generator[talk.Program]:
        settings = waiters.Settings(
            rest=self._api.admin(),
            waiting=self._api.login(job_id, waiting=True),
            job_id=job_id,
            count=count,
            hold_s=hold_s,
        )
        with talk.running("waiters", settings) as program:
            program.hear(float)
            if hold_s == MAX_HOLD_S:  # who asks again sooner is never quiet
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
        return make_job(self._conn, self._payloads[:datums], tries=tries)


def make_job(conn: Conn, datums: list[bytes], *, tries: int) -> UUID:
    """Create and start a job whose failed datums become ready again; return its id."""
    with conn.transaction():
        key = jobs.create_job(
            conn,
            pipeline_name="bench",
            pipeline_spec={},
            command=["true"],
            egress_uri="s3://bucket/out/",
            parallelism=0,
            max_tries=tries,
            timeout_s=None,
        )
        count = jobs.copy_datums(conn, job_no=key.job_no, datums=datums)
        jobs.start_job(conn, job_no=key.job_no, datum_count=count)
    return key.job_id


def _us(value_s: float, baseline_s: float) -> Pair:
    return Pair(value_s * 1e6, baseline_s * 1e6)


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
