"""Workers: register, signs of life, death. Source: sql/functions/worker/."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast
from uuid import UUID

from msgspec import Struct

from falconeri.db.rows import record, shorten_times
from falconeri.wire.controls import Worker
from falconeri.wire.work import HeartbeatAnswer, Held, WorkOrder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import Connection

    from falconeri.states import FailureClass


class Holder(Struct, frozen=True):
    """A pod that holds something of a running job, and for how many seconds, by the database."""

    job_id: UUID
    pod_name: str
    held_s: float


class Expiry(Struct, frozen=True):
    """At how many workers it was looked, and how many datums were given back."""

    looked: int
    lost: int


def register_worker(
    conn: Connection, *, job_id: UUID, pod_name: str, node_name: str, rung: int = 0
) -> WorkOrder:
    """Make a pod known that will send heartbeats; a repeat is fine.

    Args:
        rung: How much memory it has, for jobs with a ladder: it gets datums of this rung only.

    Raises:
        JobNotFound: ZF001, HTTP 404.
        InvalidInput: ZF009, HTTP 422: the job has no such rung.
    """
    with conn.cursor(row_factory=record(WorkOrder)) as cursor:
        cursor.execute(
            "select * from falconeri.register_worker(%s, %s, %s, %s::smallint)",
            (job_id, pod_name, node_name, rung),
        )
        return cast("WorkOrder", cursor.fetchone())


def extend_leases(
    conn: Connection, *, job_id: UUID, pod_name: str, held: Sequence[Held]
) -> HeartbeatAnswer:
    """Note a sign of life, and what programs print; learn which attempts are no longer the pod's.

    Raises:
        JobNotFound: ZF001, HTTP 404.
    """
    with conn.cursor(row_factory=record(HeartbeatAnswer)) as cursor:
        cursor.execute(
            "select * from falconeri.extend_leases(%s, %s, %s::uuid[], %s::integer[], %s::text[])",
            (
                job_id,
                pod_name,
                [each.datum_id for each in held],
                [each.attempt for each in held],
                [each.log_tail for each in held],
            ),
        )
        return cast("HeartbeatAnswer", cursor.fetchone())


def requeue_lost(
    conn: Connection, *, job_id: UUID, pod_name: str, failure_class: FailureClass, message: str
) -> int:
    """Give back what a dead pod held; return how many datums.

    Raises:
        JobNotFound: ZF001, HTTP 404.
    """
    row = conn.execute(
        "select falconeri.requeue_lost(%s, %s, %s::falconeri.failure_class, %s)",
        (job_id, pod_name, failure_class, message),
    ).fetchone()
    return cast("tuple[int]", row)[0]


def requeue_expired(conn: Connection, *, limit: int) -> Expiry:
    """Give back what workers hold whose lease ran out; call again while it looked at `limit`."""
    with conn.cursor(row_factory=record(Expiry)) as cursor:
        cursor.execute("select * from falconeri.requeue_expired(%s)", (limit,))
        return cast("Expiry", cursor.fetchone())


def list_workers(conn: Connection, *, job_id: UUID, after: str | None, limit: int) -> list[Worker]:
    """A page of the pods that ever worked for a job, by name, with what they hold.

    Args:
        after: The last pod of the page before; None: from the first.

    Raises:
        JobNotFound: ZF001, HTTP 404.
    """
    with conn.cursor(row_factory=record(Worker)) as cursor:
        cursor.execute(
            "select * from falconeri.list_workers(%s, %s::text, %s)", (job_id, after, limit)
        )
        found = cursor.fetchall()
    for hold in (hold for worker in found for hold in worker.holds):
        shorten_times(hold, {"claimed_at": hold.claimed_at})  # from within JSON
    return found


def list_holders(conn: Connection) -> list[Holder]:
    """The pods that hold something of a running job."""
    with conn.cursor(row_factory=record(Holder)) as cursor:
        return cursor.execute("select * from falconeri.list_holders()").fetchall()
