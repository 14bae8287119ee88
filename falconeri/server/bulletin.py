"""What is known of a job at one moment, as text for an event stream: made once for all watchers.

Called by `feed` and `events`.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

import msgspec

from falconeri.db.waiting import JobNews
from falconeri.wire import codec
from falconeri.wire.events import JobEvent, JobProgress, JobState

_ID_BYTES = 9


@dataclass(frozen=True)
class Bulletin:
    """A job's state and progress. The same ones have the same `id`, from whatever falconerid."""

    id: str
    state: JobState
    counts: JobProgress
    """Without the rate and the expected end, which change though nothing has happened."""
    state_text: bytes
    progress_text: bytes

    @classmethod
    def of(cls, news: JobNews) -> Bulletin:
        """Write it down."""
        counts = msgspec.structs.replace(news.progress, datums_per_s=None, expected_at=None)
        digest = hashlib.blake2s(
            codec.encode(news.state) + codec.encode(counts), digest_size=_ID_BYTES
        ).digest()
        return cls(
            id=base64.urlsafe_b64encode(digest).decode("ascii"),
            state=news.state,
            counts=counts,
            state_text=_text("state", news.state),
            progress_text=_text("progress", news.progress),
        )

    @property
    def ended(self) -> bool:
        """Whether the job has: there will be no other one."""
        return self.state.status.finished

    def since(self, told: Bulletin | None) -> bytes:
        """The events for whom was told `told` last; empty if there is nothing new.

        The state comes first, but last of all when the job has ended. The last event has the id:
        whoever names it has got all of them.
        """
        events: list[bytes] = []
        if told is None or told.state != self.state:
            events.append(self.state_text)
        if told is None or told.counts != self.counts:
            events.insert(0 if self.ended else len(events), self.progress_text)
        if not events:
            return b""
        return b"".join([*events[:-1], f"id: {self.id}\n".encode(), events[-1]])


def _text(name: str, event: JobEvent) -> bytes:
    return f"event: {name}\ndata: ".encode() + codec.encode(event) + b"\n\n"
