"""What `job events` and the bar say."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from falconeri.states import JobStatus
from falconeri.wire.events import JobProgress, JobState
from falconeri_cli.event_lines import event_lines
from falconeri_cli.progress import in_words
from tests.cli.records import AT, JOB_ID, progress


def state(**fields: Any) -> JobState:  # noqa: ANN401  (any field)
    made = JobState(
        job_id=JOB_ID,
        job_name="j",
        status=JobStatus.RUNNING,
        paused=False,
        parallelism=4,
        error_message=None,
    )
    return msgspec.structs.replace(made, **fields)


def moving(**fields: Any) -> JobProgress:  # noqa: ANN401  (any field)
    made = msgspec.convert(progress(), JobProgress, from_attributes=True)
    return msgspec.structs.replace(made, **fields)


def words_of(*events: JobState | JobProgress) -> list[str]:
    """The lines without their times."""
    lines = list(event_lines(events))
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d  ", line) for line in lines)
    return [line[21:] for line in lines]


def test_each_event_is_a_line() -> None:
    assert words_of(
        moving(done=3, ready=7),
        state(),
        state(paused=True),
        state(parallelism=None),
        state(status=JobStatus.CANCELED),
        state(status=JobStatus.ERROR, error_message="no such\nimage"),
    ) == [
        "3/10 done, 0 failed, 0 running",
        "running, parallelism 4",
        "paused, parallelism 4",
        "running",
        "canceled",
        "error: no such image",
    ]


@pytest.mark.parametrize(
    ("total", "datums_per_s", "pace"),
    [
        (10, 12.345, "12/s, 0.81 s left"),
        (10**7, 1234.5, "1234/s, 2.3 h left"),
        (1000, 2.0, "2/s, 8.3 min left"),
        (1000, 0.5, "30/min, 33 min left"),
        (1000, 0.01, "36/h, 28 h left"),
        (100, 0.0001, "0.36/h, 12 days left"),
    ],
)
def test_pace_is_told_in_fitting_units(total: int, datums_per_s: float, pace: str) -> None:
    event = moving(total=total, datums_per_s=datums_per_s, expected_at=AT)
    assert in_words(event) == f"0/{total} done, 0 failed, 0 running, {pace}"


def test_pace_that_is_not_known_is_not_told() -> None:
    counts = "0/10 done, 0 failed, 0 running"
    assert in_words(moving()) == counts
    assert in_words(moving(datums_per_s=2.0)) == f"{counts}, 2/s"
    assert in_words(moving(datums_per_s=2.0, status=JobStatus.DONE)) == counts
