"""Pages of what is known of a job: its datums, their attempts, its output files."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import falcon

from falconeri.db import datums as db_datums
from falconeri.db import jobs as db_jobs
from falconeri.db import outputs as db_outputs
from falconeri.errors import DatumNotFound, JobNotFound
from falconeri.server import exchange
from falconeri.server.jobs import JobResource
from falconeri.server.operation import Access, Query, operation
from falconeri.states import DatumStatus
from falconeri.wire import codec
from falconeri.wire.controls import AttemptsAnswer, DatumsPage
from falconeri.wire.records import OutputFile

MANIFEST_PAGE = 500
"""Datums read at once: a manifest holds a connection only while a page is read."""


class JobDatums(JobResource):
    """`/jobs/{job_id}/datums`."""

    @operation(
        Access.READ,
        JobNotFound,
        answers=DatumsPage,
        query=(
            Query("status", DatumStatus, "Only datums with this status."),
            exchange.LIMIT,
            Query("after", UUID, "The last datum of the page before."),
        ),
        reads_lists=True,
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response, job_id: str) -> None:
        """A page of the job's datums with their states, in their order."""
        key = exchange.parse_uuid(job_id, "job_id")
        limit = exchange.limit(req)
        with self._services.db.reading() as conn:
            found = db_datums.list_datums(
                conn,
                job_id=key,
                status=exchange.choice(req, "status", DatumStatus),
                after=exchange.uuid_param(req, "after"),
                limit=limit,
            )
        after = found[-1].id if len(found) == limit else None
        exchange.answer(resp, DatumsPage(datums=found, after=after))


class DatumAttempts(JobResource):
    """`/datums/{datum_id}/attempts`."""

    @operation(Access.READ, DatumNotFound, answers=AttemptsAnswer, reads_lists=True)
    def on_get(self, req: falcon.Request, resp: falcon.Response, datum_id: str) -> None:
        """Every ended try at a datum, the first one first."""
        del req
        key = exchange.parse_uuid(datum_id, "datum_id")
        with self._services.db.reading() as conn:
            exchange.answer(resp, AttemptsAnswer(db_datums.list_attempts(conn, datum_id=key)))


class JobOutputs(JobResource):
    """`/jobs/{job_id}/outputs`."""

    @operation(
        Access.READ,
        JobNotFound,
        answers=OutputFile,
        media_type=exchange.JSON_LINES,
        reads_lists=True,
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response, job_id: str) -> None:
        """The manifest: a JSON object a line for each file that the job's datums have written."""
        del req
        key = exchange.parse_uuid(job_id, "job_id")
        with self._services.db.reading() as conn:
            db_jobs.job_progress(conn, job_id=key)  # a missing job is an error, not an empty list
        resp.content_type = exchange.JSON_LINES
        resp.stream = self._lines(key)

    def _lines(self, job_id: UUID) -> Iterator[bytes]:
        """A page a chunk. An error on the way breaks the connection: a client sees the cut."""
        after: UUID | None = None
        while True:
            with self._services.db.reading() as conn:
                page = db_outputs.list_outputs(
                    conn, job_id=job_id, after=after, limit=MANIFEST_PAGE
                )
            if not page:
                return
            yield b"".join(codec.encode(file) + b"\n" for file in page)
            after = page[-1].datum_id
