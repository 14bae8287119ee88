"""Our workers' endpoints: register, claim, heartbeat, outputs, complete; and the list of them.

The admin may call them, too; a worker's token opens those of its own job.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import falcon

from falconeri.db import datums as db_datums
from falconeri.db import jobs as db_jobs
from falconeri.db import outputs as db_outputs
from falconeri.db import workers as db_workers
from falconeri.errors import (
    ClaimLost,
    DatumNotFound,
    Forbidden,
    InvalidInput,
    JobNotFound,
    JobNotRunning,
    OutputBusy,
    OutputClash,
    OutputsMismatch,
)
from falconeri.server import exchange
from falconeri.server.operation import Access, Query, operation
from falconeri.states import Verdict
from falconeri.wire.controls import WorkersPage
from falconeri.wire.records import OutputFilesAnswer
from falconeri.wire.work import (
    ClaimRequest,
    Completion,
    CompletionAnswer,
    Heartbeat,
    HeartbeatAnswer,
    HeldAttempt,
    NewOutputs,
    OutputUpdates,
    TriesLeft,
    WorkAnswer,
    WorkerIdentity,
    WorkOrder,
)

if TYPE_CHECKING:
    from psycopg import Connection

    from falconeri.server.services import Services

BUSY_TRIES = 5
"""How often a claim that met only locked rows is repeated at once. Then the worker waits at the
hub, which doesn't skip locked rows before it says that there is nothing."""


class WorkResource:
    """What all of them have: the services, and the rights of one job's workers."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def _datum_id(self, req: falcon.Request, text: str, conn: Connection) -> UUID:
        datum_id = exchange.parse_uuid(text, "datum_id")
        job_id = exchange.caller(req).job_id
        if job_id is not None and not self._services.datum_jobs.belongs(conn, datum_id, job_id):
            raise Forbidden("a worker's token is for another job", detail=f"datum_id {datum_id}")
        return datum_id

    def _note(self, job_id: UUID | None, work: WorkAnswer) -> None:
        """Remember whose the datum is that a worker gets: it will come back with it."""
        if job_id is not None and work.claim is not None:
            self._services.datum_jobs.note(work.claim.datum_id, job_id)


def claim(conn: Connection, job_id: UUID, who: ClaimRequest, *, leased: bool) -> WorkAnswer:
    """Claim a datum, again at once while others hold the rows; never answers `busy`."""
    for _ in range(BUSY_TRIES):
        answer = db_datums.claim_datum(
            conn,
            job_id=job_id,
            pod_name=who.pod_name,
            node_name=who.node_name,
            leased=leased,
            slot=who.slot,
            ahead=who.ahead,
        )
        if answer.verdict is not Verdict.BUSY:
            return answer
    return WorkAnswer(verdict=Verdict.EMPTY)


class Workers(WorkResource):
    """`/jobs/{job_id}/workers`."""

    @operation(
        Access.READ,
        JobNotFound,
        answers=WorkersPage,
        query=(exchange.LIMIT, Query("after", str, "The last pod of the page before.")),
        reads_lists=True,
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response, job_id: str) -> None:
        """A page of the pods that ever worked for the job, by name, with what they hold and print.

        What a program printed is told with its worker's heartbeats, three in a lease: the last
        lines, of 4 KiB at most.
        """
        key = exchange.parse_uuid(job_id, "job_id")
        limit = exchange.limit(req)
        with self._services.db.reading() as conn:
            found = db_workers.list_workers(
                conn, job_id=key, after=req.get_param("after"), limit=limit
            )
        after = found[-1].pod_name if len(found) == limit else None
        exchange.answer(resp, WorkersPage(workers=found, after=after))

    @operation(Access.WORK, JobNotFound, InvalidInput, body=WorkerIdentity, answers=WorkOrder)
    def on_post(self, req: falcon.Request, resp: falcon.Response, job_id: str) -> None:
        """Register a worker and tell it its job; a repeat is fine."""
        key = exchange.parse_uuid(job_id, "job_id")
        who = exchange.body(req, WorkerIdentity)
        with self._services.db.connection() as conn:
            order = db_workers.register_worker(
                conn, job_id=key, pod_name=who.pod_name, node_name=who.node_name, rung=who.rung
            )
        exchange.answer(resp, order)


class Claims(WorkResource):
    """`/jobs/{job_id}/claim`."""

    @operation(Access.WORK, JobNotFound, body=ClaimRequest, answers=WorkAnswer)
    def on_post(self, req: falcon.Request, resp: falcon.Response, job_id: str) -> None:
        """Claim a datum, or get again the one that the pod's slot holds."""
        key = exchange.parse_uuid(job_id, "job_id")
        who = exchange.body(req, ClaimRequest)
        with self._services.db.connection() as conn:
            work = claim(conn, key, who, leased=True)
            if work.verdict is Verdict.EMPTY and who.watch:
                db_jobs.watch_job(conn, job_id=key)
                work = claim(conn, key, who, leased=True)  # it may have come before
        self._note(key, work)
        exchange.answer(resp, work)


class Heartbeats(WorkResource):
    """`/jobs/{job_id}/heartbeat`."""

    @operation(Access.WORK, JobNotFound, body=Heartbeat, answers=HeartbeatAnswer)
    def on_post(self, req: falcon.Request, resp: falcon.Response, job_id: str) -> None:
        """Extend the leases of a worker, note what it prints; tell it what it has lost."""
        key = exchange.parse_uuid(job_id, "job_id")
        beat = exchange.body(req, Heartbeat)
        with self._services.db.connection() as conn:
            answer = db_workers.extend_leases(
                conn, job_id=key, pod_name=beat.pod_name, held=beat.held
            )
        exchange.answer(resp, answer)


class Completions(WorkResource):
    """`/datums/{datum_id}/complete`."""

    @operation(
        Access.WORK,
        DatumNotFound,
        ClaimLost,
        InvalidInput,
        body=Completion,
        answers=CompletionAnswer,
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response, datum_id: str) -> None:
        """End an attempt and hand out the next datum; a repeat is fine."""
        done = exchange.body(req, Completion)
        with self._services.db.connection() as conn:
            work = db_datums.complete_and_claim(
                conn,
                datum_id=self._datum_id(req, datum_id, conn),
                pod_name=done.pod_name,
                attempt=done.attempt,
                report=done.report,
                claim_next=done.claim_next,
                ahead=done.ahead,
            )
        self._note(exchange.caller(req).job_id, work)
        if work.verdict is Verdict.BUSY and not done.ahead:
            # The hub looks again, and waits where this call may not.
            work = WorkAnswer(verdict=Verdict.EMPTY)
        exchange.answer(resp, CompletionAnswer(next=work))


class Tries(WorkResource):
    """`/datums/{datum_id}/tries_left`."""

    @operation(Access.WORK, DatumNotFound, ClaimLost, body=HeldAttempt, answers=TriesLeft)
    def on_post(self, req: falcon.Request, resp: falcon.Response, datum_id: str) -> None:
        """Say whether a failure of the program is the datum's end: then its `err_cmd` is run."""
        held = exchange.body(req, HeldAttempt)
        with self._services.db.connection() as conn:
            left = db_datums.count_tries_left(
                conn,
                datum_id=self._datum_id(req, datum_id, conn),
                pod_name=held.pod_name,
                attempt=held.attempt,
                failure_class=held.failure_class,
            )
        exchange.answer(resp, TriesLeft(tries_left=left))


class OutputFiles(WorkResource):
    """`/datums/{datum_id}/output_files`."""

    @operation(
        Access.WORK,
        DatumNotFound,
        ClaimLost,
        JobNotRunning,
        OutputClash,
        OutputsMismatch,
        OutputBusy,
        body=NewOutputs,
        answers=OutputFilesAnswer,
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response, datum_id: str) -> None:
        """Register the files about to be uploaded; a repeat with the same set is fine."""
        new = exchange.body(req, NewOutputs)
        with self._services.db.connection() as conn:
            files = db_outputs.register_outputs(
                conn,
                datum_id=self._datum_id(req, datum_id, conn),
                pod_name=new.pod_name,
                attempt=new.attempt,
                uris=[file.uri for file in new.output_files],
            )
        exchange.answer(resp, OutputFilesAnswer(output_files=files))

    @operation(Access.WORK, DatumNotFound, ClaimLost, JobNotRunning, body=OutputUpdates)
    def on_patch(self, req: falcon.Request, resp: falcon.Response, datum_id: str) -> None:
        """Note what became of the uploads; a repeat is fine."""
        updates = exchange.body(req, OutputUpdates)
        with self._services.db.connection() as conn:
            db_outputs.settle_outputs(
                conn,
                datum_id=self._datum_id(req, datum_id, conn),
                pod_name=updates.pod_name,
                attempt=updates.attempt,
                updates=updates.output_files,
            )
        resp.status = falcon.HTTP_204
