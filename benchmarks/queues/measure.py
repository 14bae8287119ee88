"""What is measured of a queue, and how: everything beside the bare update in the same minute.

The machine is noisy and shared, so rates mean little. Each round of a case lies between two rounds
of the baseline, whose mean it is divided by; of several rounds the median counts.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Literal

import msgspec
import psycopg

from benchmarks._results import Result
from benchmarks.queues.bursts import Clients
from benchmarks.queues.queue import Conn, Queue

Mode = Literal["fresh", "autovacuum on", "autovacuum off", "old snapshot"]
SUSTAINED: tuple[Mode, ...] = ("autovacuum on", "autovacuum off", "old snapshot")
BURSTS = 4
_WARM_UP_STEPS = 20
_SMALL = 10_000
_ENDLESS = 1_000_000_000


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """A case.

    Args:
        mode: `fresh`: freshly vacuumed, several rounds. The others: one long run.
        value: Of the median round, or of the last burst of a long run; in `unit`.
        ratios: To the baseline: of each round, or of each burst in turn.
    """

    work: Literal["step", "create"]
    queue: str
    mode: Mode
    depth: int
    connections: int
    value: float
    unit: str
    baseline: float
    ratios: list[float]

    @property
    def ratio(self) -> float:
        """How many times the baseline."""
        return self.value / self.baseline

    def result(self) -> Result:
        """The same for people to read."""
        case = creation_name(self.depth)
        if self.work == "step":
            case = step_name(self.queue, self.depth, self.connections, self.mode)
        low, high = min(self.ratios), max(self.ratios)
        return Result("sql", case, self.value, self.unit, self.baseline, low, high)


def creation_name(depth: int) -> str:
    """Return the name of a case in which a job is created."""
    return f"ours create, {depth} datums"


def step_name(queue: str, depth: int, connections: int, mode: Mode) -> str:
    """Return the name of a case in which items are ended and taken."""
    name = "ours complete_and_claim" if queue == "ours" else queue
    case = f"{name}, {depth} deep, {connections} connections"
    return case if mode == "fresh" else f"{case}, {mode}"


@dataclass(frozen=True)
class Pair:
    """A rate and that of the baseline around it, in 1/s."""

    value: float
    baseline: float

    @property
    def ratio(self) -> float:
        """How many times the baseline."""
        return self.value / self.baseline


def median(pairs: Sequence[Pair]) -> Pair:
    """Return the pair with the median ratio; of an even number the lower one."""
    return sorted(pairs, key=lambda pair: pair.ratio)[(len(pairs) - 1) // 2]


class Stock:
    """The items that wait in a queue.

    Args:
        depth: How many there are when it is full.
    """

    def __init__(self, conn: Conn, queue: Queue, depth: int) -> None:
        self.queue = queue
        self.depth = depth
        self.source = ""
        self._conn = conn
        self._left = 0

    def restore(self) -> None:
        """Make it (nearly) full, vacuumed and written to disk."""
        if self._left < 0.9 * self.depth:
            self.queue.clear(self._conn)
            self._left = 0
            self._fill()
        self.queue.vacuum(self._conn)
        self._conn.execute("checkpoint")

    def draw(self, connections: int, wanted: float, *, share: float) -> int:
        """Return how many steps each client may do: what is wanted, or a share of the depth.

        Fills it up if fewer are left, as users do: without a vacuum, which would have each session
        plan its statements again. A client claims one more than it does steps.
        """
        most = int(self.depth * share / connections) - 1
        steps = max(1, min(math.ceil(wanted), most))
        if connections * (steps + 1) > self._left:
            self._fill()
        self._left -= connections * (steps + 1)
        return steps

    def _fill(self) -> None:
        missing = self.depth if self.queue.jobs else self.depth - self._left
        self.source = self.queue.fill(self._conn, missing)
        self._left = self.depth


class Bench:
    """Measures queues of one database.

    Args:
        conn: In autocommit mode; a superuser's.
        bare: The baseline.
        round_s: How long a round is, about.
        burst_s: The same of each burst of a long run.
    """

    def __init__(
        self, url: str, conn: Conn, bare: Queue, *, round_s: float, burst_s: float
    ) -> None:
        self._url = url
        self._conn = conn
        self._bare = bare
        self._round_s = round_s
        self._burst_s = burst_s

    def round(self, stock: Stock, connections: int) -> float:
        """Return the steps per second of a warm, freshly vacuumed queue."""
        share = 0.9 if stock.depth < _SMALL else 0.1  # a deep one stays about as deep
        stock.restore()
        with Clients(self._url, stock.queue, connections) as clients:
            rate = _warm_up(clients, stock, share)
            done, elapsed_s = 0, 0.0
            while elapsed_s < 0.9 * self._round_s:
                wanted = rate * (self._round_s - elapsed_s) / connections
                steps = stock.draw(connections, wanted, share=share)
                elapsed_s += clients.burst(steps, stock.source)
                done += steps * connections
        return done / elapsed_s

    def fresh(
        self, stocks: Sequence[Stock], connections: int, *, rounds: int
    ) -> Iterator[Measurement]:
        """Measure queues of one depth in turn, several times, each between two baselines.

        The baseline's bursts are as short as theirs: all clients wait for the last one at the end
        of each, which of 128 with six steps each takes a fifth of the time.
        """
        if not stocks:
            return
        bare = Stock(self._conn, self._bare, stocks[0].depth)
        pairs: dict[str, list[Pair]] = {stock.queue.name: [] for stock in stocks}
        for _ in range(rounds):
            before = self.round(bare, connections)
            for stock in stocks:
                value = self.round(stock, connections)
                after = self.round(bare, connections)
                pairs[stock.queue.name].append(Pair(value, (before + after) / 2))
                before = after
        for stock in stocks:
            yield _measurement(stock, connections, "fresh", pairs[stock.queue.name])

    def sustained(
        self, stocks: Sequence[Stock], connections: int, mode: Mode
    ) -> Iterator[Measurement]:
        """Measure long runs, burst by burst, in which nobody fills up or vacuums by hand.

        The baseline's clients work between two bursts.
        """
        for stock in stocks:
            with autovacuum(self._conn, on=mode != "autovacuum off"):
                pairs = self._long_run(stock, connections, old=mode == "old snapshot")
            yield _measurement(stock, connections, mode, pairs)

    def _long_run(self, stock: Stock, connections: int, *, old: bool) -> list[Pair]:
        bare = Stock(self._conn, self._bare, _ENDLESS)
        bare.restore()
        stock.restore()
        share = 0.9 / (BURSTS + 1)
        pairs: list[Pair] = []
        with (
            Clients(self._url, bare.queue, connections, team=1) as idle,
            Clients(self._url, stock.queue, connections) as clients,
        ):
            before = _warm_up(idle, bare, share)
            rate = _warm_up(clients, stock, share / 4)
            with old_snapshot(self._url) if old else nullcontext():
                before = _burst(idle, bare, before * self._burst_s / 4, share)
                for _ in range(BURSTS):
                    rate = _burst(clients, stock, rate * self._burst_s, share)
                    after = _burst(idle, bare, before * self._burst_s / 4, share)
                    pairs.append(Pair(rate, (before + after) / 2))
                    before = after
        return pairs


@contextmanager
def autovacuum(conn: Conn, *, on: bool) -> Generator[None]:
    """Have the server vacuum each second, so that seconds show what minutes would; or never."""
    conn.execute("alter system set autovacuum_naptime = '1s'")
    if not on:
        conn.execute("alter system set autovacuum = off")
    conn.execute("select pg_reload_conf()")
    try:
        yield
    finally:
        conn.execute("alter system reset autovacuum_naptime")
        conn.execute("alter system reset autovacuum")
        conn.execute("select pg_reload_conf()")


@contextmanager
def old_snapshot(url: str) -> Generator[None]:
    """Hold a snapshot of now, as a backup or a report does: nothing newer can be vacuumed."""
    with psycopg.connect(url) as conn:
        conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        conn.execute("select 1 from bench.bare limit 1")
        yield


def _warm_up(clients: Clients, stock: Stock, share: float) -> float:
    """Let each client fill its caches and settle its plans; return their steps per second then."""
    done, rate = 0, 0.0
    while done < _WARM_UP_STEPS:
        steps = stock.draw(clients.connections, _WARM_UP_STEPS / 2, share=share)
        rate = steps * clients.connections / clients.burst(steps, stock.source)
        done += steps
    return rate


def _burst(clients: Clients, stock: Stock, wanted: float, share: float) -> float:
    """Let the clients do so many steps together, at most the stock's share; return them per s."""
    steps = stock.draw(clients.connections, wanted / clients.connections, share=share)
    return steps * clients.connections / clients.burst(steps, stock.source)


def _measurement(stock: Stock, connections: int, mode: Mode, pairs: list[Pair]) -> Measurement:
    chosen = median(pairs) if mode == "fresh" else pairs[-1]
    return Measurement(
        work="step",
        queue=stock.queue.name,
        mode=mode,
        depth=stock.depth,
        connections=connections,
        value=chosen.value,
        unit="1/s",
        baseline=chosen.baseline,
        ratios=[pair.ratio for pair in pairs],
    )
