"""A ladder of memory as people write it, and the amounts that it has."""

from __future__ import annotations

from typing import Any

import pytest

from falconeri.errors import InvalidSpec
from falconeri.wire import codec
from falconeri.wire.spec import PipelineSpec, parse_spec, stored_form
from tests.wire.test_spec import MINIMAL


def spec(memory: object) -> PipelineSpec:
    return parse_spec(
        codec.encode({**MINIMAL, "resource_requests": {"memory": memory, "cpu": 1.0}})
    )


def test_one_amount_is_no_ladder_and_may_be_anything_that_kubernetes_reads() -> None:
    requests = spec("0.5e9").resource_requests

    assert (requests.least_memory, requests.memory_rungs) == ("0.5e9", [])


@pytest.mark.parametrize(
    ("ladder", "rungs"),
    [
        ({"start": "2Gi", "max": "16Gi"}, ["2Gi", "4Gi", "8Gi", "16Gi"]),
        ({"start": "2Gi", "max": "9Gi"}, ["2Gi", "4Gi", "8Gi", "9Gi"]),
        (
            {"start": "1Gi", "max": "4Gi", "factor": 1.5},
            ["1Gi", "1536Mi", "2304Mi", "3456Mi", "4Gi"],
        ),
        ({"start": "500M", "max": "2G"}, ["500M", "1G", "2G"]),
        ({"start": "1000", "max": "3001", "factor": 3}, ["1000", "3k", "3001"]),
        ({"start": "1.5Gi", "max": "100Gi", "factor": 100}, ["1.5Gi", "100Gi"]),
        ({"start": "3", "max": "6", "factor": 1.1}, ["3", "4", "5", "6"]),
        (
            {"start": "1Mi", "max": "32Gi"},
            [f"{1 << n}Mi" for n in range(10)] + [f"{1 << n}Gi" for n in range(6)],
        ),
    ],
)
def test_each_step_is_so_many_times_the_one_before_up_to_the_last(
    ladder: dict[str, Any], rungs: list[str]
) -> None:
    requests = spec(ladder).resource_requests

    assert requests.memory_rungs == rungs
    assert requests.least_memory == ladder["start"]


def test_it_is_stored_as_it_was_written_with_its_factor() -> None:
    stored = stored_form(spec({"start": "2Gi", "max": "8Gi"}))["resource_requests"]

    assert stored == {"memory": {"start": "2Gi", "max": "8Gi", "factor": 2.0}, "cpu": 1.0}


@pytest.mark.parametrize(
    ("ladder", "words"),
    [
        (
            {"start": "2Gi", "max": "2048Mi"},
            '`max`: 2048Mi is not more than `start`, 2Gi; for one amount write `"memory"',
        ),
        ({"start": "0", "max": "1Gi"}, "`start`: 0 is less than a byte"),
        ({"start": "1Ki", "max": "1Ti"}, "`factor`: 2 makes more than 16 steps from 1Ki to 1Ti"),
        ({"start": "1Gi", "max": "2Gi", "factor": 1}, "resource_requests.memory.factor"),
        ({"start": "2GB", "max": "4Gi"}, "resource_requests.memory.start"),
        ({"start": "100m", "max": "4Gi"}, "resource_requests.memory.start"),
        ({"start": "1Gi"}, "required field `max`"),
        ({"start": "1Gi", "max": "2Gi", "step": 2}, "unknown field `step`"),
        (7, "resource_requests.memory"),
        ("", "resource_requests.memory"),
    ],
)
def test_what_is_no_ladder_is_refused_with_the_fields_name(ladder: object, words: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        spec(ladder)

    assert words in caught.value.detail
    assert "resource_requests.memory" in caught.value.detail
