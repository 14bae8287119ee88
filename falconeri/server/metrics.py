"""What a falconerid tells Prometheus of itself and of the work that waits.

One registry for each process: of several behind one port a scrape meets one, which the label of its
start time names. Filled by middleware of both ports, read by `/metrics`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily

from falconeri.db import jobs as db_jobs
from falconeri.db.pool import Database
from falconeri.errors import FalconeriError

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_DURATIONS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_POOL = {
    "pool_size": "Connections to the database.",
    "pool_available": "Of them, those that nobody uses.",
    "requests_waiting": "Requests that wait for a connection.",
}


@dataclass(frozen=True)
class Request:
    """A request that is being served."""

    method: str
    began_at: float


class Metrics:
    """Counts. Safe to use from every thread."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._registry = CollectorRegistry()
        labels = ("route", "method", "status")
        self._requests = Counter(
            "falconerid_requests",
            "Requests answered, by the template of their path.",
            labels,
            registry=self._registry,
        )
        self._durations = Histogram(
            "falconerid_request_duration_seconds",
            "From the request's arrival until its answer was sent; not of the waiting port.",
            ("route", "method"),
            buckets=_DURATIONS_S,
            registry=self._registry,
        )
        self._in_flight = Gauge(
            "falconerid_requests_in_flight", "Requests being served.", registry=self._registry
        )
        self._waiters = Gauge(
            "falconerid_waiters", "Clients that wait for work or an end.", registry=self._registry
        )
        started = Gauge(
            "falconerid_start_time_seconds",
            "When this process started to serve, since the epoch.",
            ("process",),
            registry=self._registry,
        )
        started.labels(str(os.getpid())).set(time.time())
        self._registry.register(_Pool(db))

    def count_waiters_by(self, count: Callable[[], int]) -> None:
        """Tell how many wait when asked."""
        self._waiters.set_function(count)

    def begin(self, method: str) -> Request:
        """Note that a request has come."""
        self._in_flight.inc()
        return Request(method if method in _METHODS else "other", time.monotonic())

    def end(self, request: Request, route: str | None, status: int, *, timed: bool = True) -> None:
        """Note how it was answered.

        Args:
            route: The template of its path; None: there is no such path.
            timed: Its duration is its own, not that of a wait.
        """
        self._in_flight.dec()
        labels = (route or "none", request.method)
        self._requests.labels(*labels, str(status)).inc()
        if timed:
            self._durations.labels(*labels).observe(time.monotonic() - request.began_at)

    def text(self) -> bytes:
        """All of them in Prometheus' text format; without the database's while it is away."""
        return generate_latest(self._registry) + generate_latest(_work(self._db))


class _Pool:
    """How the pool is, when asked."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The families of metrics."""
        stats = self._db.stats()
        for name, text in _POOL.items():
            yield GaugeMetricFamily(f"falconerid_{name}", text, value=stats.get(name, 0))


def _work(db: Database) -> CollectorRegistry:
    registry = CollectorRegistry()
    up = Gauge("falconeri_database_up", "Whether the database answered.", registry=registry)
    try:
        with db.reading() as conn:
            work = db_jobs.count_work(conn)
    except FalconeriError:
        return registry
    up.set(1)
    for name, value, text in (
        ("jobs_running", work.running_jobs, "Running jobs."),
        ("datums_ready", work.ready_datums, "Datums of running jobs that wait for a worker."),
        ("datums_running", work.running_datums, "Datums that a worker holds."),
    ):
        Gauge(f"falconeri_{name}", text, registry=registry).set(value)
    return registry
