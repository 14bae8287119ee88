"""What `job events` prints: a line for each event, with the time when it came."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from falconeri.wire.codec import time_text
from falconeri.wire.events import JobEvent, JobState
from falconeri_cli.plain import one_line
from falconeri_cli.progress import in_words


def event_lines(events: Iterable[JobEvent]) -> Iterator[str]:
    """Yield each line as its event comes: `2027-03-01T09:31:30  33/100 done, 0 failed, …`."""
    for event in events:
        words = _state(event) if isinstance(event, JobState) else in_words(event)
        now = datetime.now(UTC).replace(microsecond=0, tzinfo=None)
        yield f"{time_text(now)}  {words}"


def _state(state: JobState) -> str:
    if state.status.finished:
        why = f": {one_line(state.error_message)}" if state.error_message else ""
        return f"{state.status}{why}"
    word = "paused" if state.paused else str(state.status)
    return word if state.parallelism is None else f"{word}, parallelism {state.parallelism}"
