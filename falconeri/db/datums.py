"""Datums: claim, complete, look. Source: sql/functions/datum/."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast
from uuid import UUID

from msgspec import Struct

from falconeri.db.rows import record
from falconeri.states import Verdict
from falconeri.wire.controls import Attempt
from falconeri.wire.records import Datum, InputFile
from falconeri.wire.work import Claim, InputRef, Report, WorkAnswer

if TYPE_CHECKING:
    from psycopg import Connection

    from falconeri.states import DatumStatus, FailureClass


class Work(Struct, frozen=True):
    """A row of the composite type `falconeri.work`."""

    verdict: Verdict
    datum_id: UUID | None
    attempt: int | None
    inputs: list[InputRef] | None

    def answer(self) -> WorkAnswer:
        """The same, as a worker is told."""
        if self.datum_id is None or self.attempt is None or self.inputs is None:
            return WorkAnswer(verdict=self.verdict)
        return WorkAnswer(
            verdict=self.verdict,
            claim=Claim(datum_id=self.datum_id, attempt=self.attempt, inputs=self.inputs),
        )


def claim_datum(
    conn: Connection,
    *,
    job_id: UUID,
    pod_name: str,
    node_name: str,
    leased: bool,
    slot: int = 0,
    ahead: bool = False,
) -> WorkAnswer:
    """Claim the next ready datum for a pod's slot, or get again the one that the slot holds.

    Args:
        leased: The pod sends heartbeats.
        slot: Which of the datums that the pod holds at once.
        ahead: It has another one to work on first: only if there are plenty.

    Raises:
        JobNotFound: ZF001, HTTP 404.
    """
    with conn.cursor(row_factory=record(Work)) as cursor:
        cursor.execute(
            "select * from falconeri.claim_datum(%s, %s, %s, %s, %s::smallint, %s)",
            (job_id, pod_name, node_name, leased, slot, ahead),
        )
        return cast("Work", cursor.fetchone()).answer()


def complete_and_claim(
    conn: Connection,
    *,
    datum_id: UUID,
    pod_name: str,
    attempt: int | None,
    report: Report,
    claim_next: bool,
    ahead: bool = False,
) -> WorkAnswer:
    """End an attempt and hand its slot the next datum; a repeat by the same attempt is fine.

    Args:
        attempt: None for the original's workers, who don't know its number.
        ahead: The pod has another one to work on first: it gets a next one only if there are
            plenty.

    Raises:
        DatumNotFound: ZF002, HTTP 404.
        ClaimLost: ZF003, HTTP 403.
        InvalidInput: ZF009, HTTP 422: neither a success nor a failure with its class and message.
    """
    with conn.cursor(row_factory=record(Work)) as cursor:
        cursor.execute(
            """
            select * from falconeri.complete_and_claim(
              %s, %s, %s::integer,
              row(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)::falconeri.report,
              %s, %s
            )
            """,
            (
                datum_id,
                pod_name,
                attempt,
                report.outcome,
                report.failure_class,
                report.output,
                report.error_message,
                report.backtrace,
                report.exit_code,
                report.signal,
                report.bytes_in,
                report.bytes_out,
                report.cpu_s,
                report.peak_memory_bytes,
                claim_next,
                ahead,
            ),
        )
        return cast("Work", cursor.fetchone()).answer()


def promote_delayed(conn: Connection, *, limit: int) -> int:
    """Make datums ready whose time to wait after a failure is over; return how many.

    Args:
        limit: At most so many; call again while it returns as many.
    """
    row = conn.execute("select falconeri.promote_delayed(%s::integer)", (limit,)).fetchone()
    return cast("tuple[int]", row)[0]


def count_tries_left(
    conn: Connection,
    *,
    datum_id: UUID,
    pod_name: str,
    attempt: int,
    failure_class: FailureClass | None = None,
) -> int:
    """How often the datum of an attempt may fail by its program's fault, this attempt included.

    Args:
        failure_class: Of the failure in question; None: any of the program.

    Raises:
        DatumNotFound: ZF002, HTTP 404.
        ClaimLost: ZF003, HTTP 403.

    Source: sql/functions/datum/count_tries_left.sql
    """
    row = conn.execute(
        "select falconeri.count_tries_left(%s, %s, %s::integer, %s::falconeri.failure_class)",
        (datum_id, pod_name, attempt, failure_class),
    ).fetchone()
    return cast("tuple[int]", row)[0]


def describe_datum(conn: Connection, *, datum_id: UUID) -> Datum:
    """All about one datum but its inputs.

    Raises:
        DatumNotFound: ZF002, HTTP 404.
    """
    with conn.cursor(row_factory=record(Datum)) as cursor:
        cursor.execute("select * from falconeri.describe_datum(%s)", (datum_id,))
        return cast("Datum", cursor.fetchone())


def find_job_of_datum(conn: Connection, *, datum_id: UUID) -> UUID:
    """The id of the job that a datum belongs to.

    Raises:
        DatumNotFound: ZF002, HTTP 404.
    """
    row = conn.execute("select falconeri.find_job_of_datum(%s)", (datum_id,)).fetchone()
    return cast("tuple[UUID]", row)[0]


def find_log_tail(conn: Connection, *, datum_id: UUID) -> str | None:
    """What the program of a running datum has printed last; None: nothing, or it doesn't run.

    Raises:
        DatumNotFound: ZF002, HTTP 404: not a datum's id.
    """
    row = conn.execute("select falconeri.find_log_tail(%s)", (datum_id,)).fetchone()
    return cast("tuple[str | None]", row)[0]


def list_inputs(conn: Connection, *, datum_id: UUID) -> list[InputFile]:
    """The input files of a datum, in the order of its spec.

    Raises:
        DatumNotFound: ZF002, HTTP 404.
    """
    with conn.cursor(row_factory=record(InputFile)) as cursor:
        cursor.execute("select * from falconeri.list_inputs(%s)", (datum_id,))
        return cursor.fetchall()


def list_datums(
    conn: Connection,
    *,
    job_id: UUID,
    status: DatumStatus | None,
    after: UUID | None,
    limit: int,
) -> list[Datum]:
    """A page of a job's datums with their states, in their order.

    Args:
        status: Only these; None: all.
        after: The last datum of the page before; None: from the first.

    Raises:
        JobNotFound: ZF001, HTTP 404.
        DatumNotFound: ZF002, HTTP 404: `after` is not a datum's id.
    """
    with conn.cursor(row_factory=record(Datum)) as cursor:
        cursor.execute(
            "select * from falconeri.list_datums(%s, %s, %s::uuid, %s)",
            (job_id, status, after, limit),
        )
        return cursor.fetchall()


def list_attempts(conn: Connection, *, datum_id: UUID) -> list[Attempt]:
    """Every ended try at a datum, the first one first.

    Raises:
        DatumNotFound: ZF002, HTTP 404.
    """
    with conn.cursor(row_factory=record(Attempt)) as cursor:
        cursor.execute("select * from falconeri.list_attempts(%s)", (datum_id,))
        return cursor.fetchall()


def list_running_datums(conn: Connection, *, job_id: UUID, limit: int) -> list[Datum]:
    """The datums of a job that workers hold, the longest held first.

    Raises:
        JobNotFound: ZF001, HTTP 404.
    """
    with conn.cursor(row_factory=record(Datum)) as cursor:
        cursor.execute("select * from falconeri.list_running_datums(%s, %s)", (job_id, limit))
        return cursor.fetchall()


def list_failed_datums(conn: Connection, *, job_id: UUID, limit: int) -> list[Datum]:
    """The datums of a job that ended as errors, the earliest first.

    Raises:
        JobNotFound: ZF001, HTTP 404.
    """
    with conn.cursor(row_factory=record(Datum)) as cursor:
        cursor.execute("select * from falconeri.list_failed_datums(%s, %s)", (job_id, limit))
        return cursor.fetchall()
