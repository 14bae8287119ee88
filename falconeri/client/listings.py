"""Lists of what falconerid knows, however long: read as they are gone through.

The part of `falconeri.client.jobs` that looks and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from falconeri.client.transport import Transport
from falconeri.states import DatumStatus, JobStatus
from falconeri.wire.controls import Attempt, AttemptsAnswer, DatumsPage, Worker, WorkersPage
from falconeri.wire.records import Datum, Job, JobsPage, OutputFile

_PAGE = 500
"""How many jobs or datums a request asks for; falconerid grants up to 1,000."""


class Listings:
    """Typed calls that list; every one raises what `Transport.fetch` raises.

    Args:
        rest: To falconerid's REST port.
    """

    def __init__(self, rest: Transport) -> None:
        self._rest = rest

    def iter_jobs(
        self, *, status: JobStatus | None = None, name: str | None = None, limit: int | None = None
    ) -> Iterator[Job]:
        """Yield jobs, the newest first, a page a request.

        Args:
            status: Only these; None: all.
            name: Only those whose name begins so, as a pipeline's name does; None: all.
            limit: At most so many, > 0; None: all.
        """
        query = _given(status=status, name=name)
        left = limit
        while left is None or left > 0:
            size = _PAGE if left is None else min(left, _PAGE)
            page = self._rest.fetch("GET", "jobs", JobsPage, query=query | {"limit": str(size)})
            yield from page.jobs
            if page.after is None:
                return
            query["after"] = str(page.after)
            left = None if left is None else left - len(page.jobs)

    def iter_datums(self, job_id: UUID, *, status: DatumStatus | None = None) -> Iterator[Datum]:
        """Yield a job's datums in their order, a page a request; each page as it is then.

        Args:
            job_id: Which job.
            status: Only these; None: all.

        Raises:
            JobNotFound: There is none.
        """
        query = _given(status=status) | {"limit": str(_PAGE)}
        while True:
            page = self._rest.fetch("GET", f"jobs/{job_id}/datums", DatumsPage, query=query)
            yield from page.datums
            if page.after is None:
                return
            query["after"] = str(page.after)

    def iter_workers(self, job_id: UUID) -> Iterator[Worker]:
        """Yield the pods that ever worked for a job, by name, with what they hold and print now.

        A page a request; each page as it is then.

        Raises:
            JobNotFound: There is none.
        """
        query = {"limit": str(_PAGE)}
        while True:
            page = self._rest.fetch("GET", f"jobs/{job_id}/workers", WorkersPage, query=query)
            yield from page.workers
            if page.after is None:
                return
            query["after"] = page.after

    def list_attempts(self, datum_id: UUID) -> list[Attempt]:
        """Return every ended try at a datum, the first one first.

        Raises:
            DatumNotFound: There is none.
        """
        return self._rest.fetch("GET", f"datums/{datum_id}/attempts", AttemptsAnswer).attempts

    def iter_outputs(self, job_id: UUID) -> Iterator[OutputFile]:
        """Yield the files that a job's datums have written or are writing: the manifest.

        One answer, read as it comes: neither side holds all of it. A list that ends without an
        error is whole.

        Raises:
            JobNotFound: There is none.
            Unavailable: Also when the answer was cut off: what came so far is not all.
        """
        return self._rest.fetch_lines(f"jobs/{job_id}/outputs", OutputFile)


def _given(**parameters: str | None) -> dict[str, str]:
    """Those parameters of a query that are wanted."""
    return {name: value for name, value in parameters.items() if value is not None}
