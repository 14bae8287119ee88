"""Watches a job until it has ended, whatever happens to the connection meanwhile.

Called by `falconeri.client.jobs`. The waiting port streams events; where it doesn't (the original's
falconerid, a firewall) or has just ended a stream, the job is asked for at the REST port instead.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from uuid import UUID

import msgspec

from falconeri.client import answers
from falconeri.client.retry import ONCE, ROLLOUT
from falconeri.client.transport import Transport
from falconeri.errors import FalconeriError, JobNotFound, NotFound
from falconeri.log import get_logger
from falconeri.wire.codec import convert
from falconeri.wire.events import JobEvent, JobProgress, JobState
from falconeri.wire.records import Job, JobAnswer, Progress

SILENCE_S = 45.0
"""A stream that is silent for longer is lost: falconerid sends something each 15 s."""

_PAUSE_S = 3.0
"""Between two tries, more or less, unless falconerid says otherwise."""

_KINDS: dict[str, type[JobEvent]] = {"state": JobState, "progress": JobProgress}

log = get_logger(__name__)


class Watching:
    """One watched job; to be iterated over once.

    Args:
        rest: To falconerid's REST port.
        waiting: To its waiting port.
        job_id: Which job.
        pause: How to spend the time between two tries.
    """

    def __init__(
        self,
        rest: Transport,
        waiting: Transport,
        job_id: UUID,
        *,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rest = rest.but(retries=ROLLOUT)
        self._waiting = waiting.but(timeout_s=SILENCE_S, retries=ONCE)
        self._job_id = job_id
        self._pause = pause
        self._pause_s = _PAUSE_S
        self._last_id = ""
        self._state: JobState | None = None
        self._counts: JobProgress | None = None
        self._streams = True
        self._has_progress = True

    def __iter__(self) -> Iterator[JobEvent]:
        """Yield events, the state of the ended job as the last one.

        Raises:
            JobNotFound: There is no such job, or no longer.
            Unavailable: falconerid can't be reached for a minute.
        """
        while True:
            yield from filter(self._is_news, self._streamed())
            if self._has_ended():
                return
            if self._state is not None:
                # Jitter: all who watched were sent away by the same falconerid at once.
                self._pause(random.uniform(0.5, 1.5) * self._pause_s)  # noqa: S311
            yield from filter(self._is_news, self._polled())
            if self._has_ended():
                return

    def _has_ended(self) -> bool:
        return self._state is not None and self._state.status.finished

    def _is_news(self, event: JobEvent) -> bool:
        """Note an event; False if it says what the ones before have said."""
        if isinstance(event, JobState):
            news = event != self._state
            self._state = event
        else:
            counts = msgspec.structs.replace(event, datums_per_s=None, expected_at=None)
            news = counts != self._counts
            self._counts = counts
        return news

    def _streamed(self) -> Iterator[JobEvent]:
        """Yield a stream's events until it ends or is lost."""
        if not self._streams:
            return
        try:
            yield from self._parsed()
        except JobNotFound:
            raise
        except NotFound:
            self._streams = False
        except FalconeriError as ex:
            if ex.http_status not in range(500, 600):
                raise
            log.info("event_stream_lost", job_id=self._job_id, error=str(ex))

    def _parsed(self) -> Iterator[JobEvent]:
        headers = {"Accept": "text/event-stream"}
        if self._last_id:
            headers["Last-Event-ID"] = self._last_id
        fields: dict[str, str] = {}
        for raw in self._waiting.fetch_raw_lines(f"jobs/{self._job_id}/events", headers=headers):
            name, _, value = raw.decode(errors="replace").rstrip("\r").partition(":")
            if name:
                fields[name] = value.removeprefix(" ")
            elif not raw.startswith(b":"):
                self._last_id = fields.get("id", self._last_id)
                if fields.get("retry", "").isdecimal():
                    self._pause_s = int(fields["retry"]) / 1000
                # A kind that we don't know is of a newer falconerid, and not for us.
                if kind := _KINDS.get(fields.get("event", "")):
                    yield answers.value_of(fields.get("data", "").encode(), kind)
                fields = {}

    def _polled(self) -> Iterator[JobEvent]:
        """Yield how the job is now. In this order: the counts of an ended job are the last ones."""
        job = self._rest.fetch("GET", f"jobs/{self._job_id}", JobAnswer).job
        if self._has_progress:
            try:
                found = self._rest.fetch("GET", f"jobs/{self._job_id}/progress", Progress)
            except JobNotFound:
                raise
            except NotFound:
                self._has_progress = False
            else:
                yield convert(found, JobProgress)
        yield self._state_of(job)

    def _state_of(self, job: Job) -> JobState:
        return JobState(
            job_id=job.id,
            job_name=job.job_name,
            status=job.status,
            paused=job.paused,
            parallelism=self._state.parallelism if self._state else None,
            error_message=job.error_message,
        )
