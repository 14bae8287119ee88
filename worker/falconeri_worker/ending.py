"""Waits at falconerid for the job's end, so that what runs then is stopped at once.

A thread beside the work, with one request that falconerid holds. Where it can't be made, heartbeats
tell the same a little later. Called by `crew`.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from uuid import UUID

from falconeri.client.work import WorkClient
from falconeri.errors import FalconeriError, JobNotFound, JobNotRunning
from falconeri.log import get_logger
from falconeri.wire.records import Progress
from falconeri_worker.patience import EARLY_PAUSE_S, Patience

_PAUSE_S = 30.0

log = get_logger(__name__)


class EndWatch:
    """Tells when a job has ended, once.

    Args:
        client: To the waiting port; tries each call once.
        job_id: The job.
        on_end: Is told why its work is over.
    """

    def __init__(
        self, client: WorkClient, job_id: UUID, on_end: Callable[[FalconeriError], None]
    ) -> None:
        self._client = client
        self._job_id = job_id
        self._on_end = on_end
        self._closed = threading.Event()

    def start(self) -> None:
        """Start the thread; it ends with the process, or soon after `close`."""
        threading.Thread(target=self._run, name="falconeri-end-watch", daemon=True).start()

    def close(self) -> None:
        """Tell nothing any more."""
        self._closed.set()

    def _run(self) -> None:
        patience = Patience()
        while not self._closed.is_set():
            try:
                progress, early = patience.spend(self._wait)
            except JobNotFound as ex:
                self._tell(ex)
                return
            except FalconeriError as ex:
                log.debug("job_not_watched", job_id=self._job_id, error=str(ex))
                self._closed.wait(random.uniform(0.5, 1.0) * _PAUSE_S)  # noqa: S311
            else:
                if progress.status.finished:
                    self._tell(JobNotRunning(detail=f"the job is {progress.status}"))
                    return
                if early:
                    self._closed.wait(random.uniform(0, EARLY_PAUSE_S))  # noqa: S311

    def _wait(self, hold_s: float) -> Progress:
        return self._client.wait_for_end(self._job_id, hold_s=hold_s)

    def _tell(self, why: FalconeriError) -> None:
        if not self._closed.is_set():
            self._on_end(why)
