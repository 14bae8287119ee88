"""What the resources share: the database, the credentials' check, the cluster's secrets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from falconeri.db.pool import Database
from falconeri.server.auth import Authenticator
from falconeri.server.datum_jobs import DatumJobs
from falconeri.server.metrics import Metrics
from falconeri.server.readiness import Readiness
from falconeri.server.slots import Slots


@dataclass(frozen=True)
class Services:
    """Made once by `serve`; safe to use from every thread."""

    db: Database
    authenticator: Authenticator
    read_secret: Callable[[str], Mapping[str, str]]
    """A secret of the cluster, for reading the buckets that a spec names."""
    max_datums: int
    """Of one job."""
    lists: Slots
    """For what declares `reads_lists`."""
    submissions: Slots
    """For what makes a job, or lists buckets for a plan of one."""
    readiness: Readiness
    metrics: Metrics
    datum_jobs: DatumJobs
