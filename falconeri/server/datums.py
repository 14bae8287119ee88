"""The datums' endpoints: to look at one, and those by which the original's workers work.

The original's workers know neither attempts nor leases: they are fenced by their pod's name and
watched through their pods.
"""

from __future__ import annotations

import falcon

from falconeri.db import datums as db_datums
from falconeri.errors import ClaimLost, DatumNotFound, InvalidInput, JobNotFound
from falconeri.server import exchange
from falconeri.server.operation import Access, operation
from falconeri.server.work import WorkResource, claim
from falconeri.states import AttemptOutcome, FailureClass
from falconeri.wire.records import DatumAnswer, DatumDescription
from falconeri.wire.work import ClaimRequest, DatumPatch, DatumUpdate, Report, Reservation


class DatumDescribe(WorkResource):
    """`/datums/{datum_id}/describe`."""

    @operation(Access.READ, DatumNotFound, answers=DatumDescription)
    def on_get(self, req: falcon.Request, resp: falcon.Response, datum_id: str) -> None:
        """The datum and its input files, and what its program printed last, if it runs."""
        with self._services.db.connection() as conn:
            key = self._datum_id(req, datum_id, conn)
            description = DatumDescription(
                datum=db_datums.describe_datum(conn, datum_id=key),
                input_files=db_datums.list_inputs(conn, datum_id=key),
                log_tail=db_datums.find_log_tail(conn, datum_id=key),
            )
        exchange.answer(resp, description)


class Reservations(WorkResource):
    """`/jobs/{job_id}/reserve_next_datum`, the original's claim."""

    @operation(Access.WORK, JobNotFound, body=Reservation, answers=DatumDescription | None)
    def on_post(self, req: falcon.Request, resp: falcon.Response, job_id: str) -> None:
        """A datum with its inputs, or null."""
        key = exchange.parse_uuid(job_id, "job_id")
        who = exchange.body(req, Reservation)
        with self._services.db.connection() as conn:
            work = claim(conn, key, ClaimRequest(who.pod_name, who.node_name), leased=False)
            if work.claim is None:
                exchange.answer(resp, None)
                return
            description = DatumDescription(
                datum=db_datums.describe_datum(conn, datum_id=work.claim.datum_id),
                input_files=db_datums.list_inputs(conn, datum_id=work.claim.datum_id),
            )
        exchange.answer(resp, description)


class DatumUpdates(WorkResource):
    """`/datums/{datum_id}`, the original's report."""

    @operation(
        Access.WORK, DatumNotFound, ClaimLost, InvalidInput, body=DatumUpdate, answers=DatumAnswer
    )
    def on_patch(self, req: falcon.Request, resp: falcon.Response, datum_id: str) -> None:
        """End the pod's attempt; a repeat is fine."""
        update = exchange.body(req, DatumUpdate)
        report = _report(update.datum)
        with self._services.db.connection() as conn:
            key = self._datum_id(req, datum_id, conn)
            db_datums.complete_and_claim(
                conn,
                datum_id=key,
                pod_name=update.pod_name,
                attempt=None,
                report=report,
                claim_next=False,
            )
            datum = db_datums.describe_datum(conn, datum_id=key)
        exchange.answer(resp, DatumAnswer(datum=datum))


def _report(patch: DatumPatch) -> Report:
    """The original's two shapes; it doesn't say whose fault a failure was.

    Raises:
        InvalidInput: Neither of them.
    """
    messages = (patch.error_message, patch.backtrace)
    if patch.status == AttemptOutcome.DONE and messages == (None, None):
        return Report(outcome=AttemptOutcome.DONE, output=patch.output)
    if patch.status == AttemptOutcome.ERROR and None not in messages:
        return Report(
            outcome=AttemptOutcome.ERROR,
            failure_class=FailureClass.COMMAND,
            output=patch.output,
            error_message=patch.error_message,
            backtrace=patch.backtrace,
        )
    raise InvalidInput(
        "cannot update datum",
        detail=f"status {patch.status!r}",
        hint="`done` without error_message and backtrace, or `error` with both",
    )
