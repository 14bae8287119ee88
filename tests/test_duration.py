from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falconeri.duration import duration_text, parse_duration_s


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("5m", 300),
        ("2h 37min", 9420),
        ("1day 2h", 93600),
        ("1.5h", 5400),
        ("1 h 30 m", 5400),
        ("1h30m", 5400),
        ("1M", 2_630_016),
        ("1m", 60),
        ("1y", 31_557_600),
        ("2weeks", 1_209_600),
        ("1year 2months 3days 4h 5m 6s 7ms 8us 9ns", 37_091_538),
        ("999ms", 0),
        ("500ms 500ms", 1),
        ("0.1s 0.2s 0.7s", 1),
        ("1000000µs", 1),
        ("0", 0),
        ("0s", 0),
    ],
)
def test_a_duration_is_whole_seconds(text: str, seconds: int) -> None:
    assert parse_duration_s(text, name="t") == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "5",
        "00",
        "-5s",
        "+5s",
        "5 5s",
        "5s5",
        "5H",
        "s",
        "1e3s",
        "1,5h",
        ".5h",
        "5.h",
        "٣s",
    ],
)
def test_what_is_no_duration_is_refused_with_the_field_and_the_text(text: str) -> None:
    with pytest.raises(ValueError, match="`job_timeout`") as caught:
        parse_duration_s(text, name="job_timeout")

    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("text", ["69y", f"{2**31}s", "9" * 18 + "y"])
def test_a_duration_that_no_database_can_hold_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="68 years"):
        parse_duration_s(text, name="t")


def test_a_number_without_end_is_no_duration() -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration_s("9" * 10_000 + "s", name="t")


@given(st.integers(0, 2**31 - 1))
def test_any_number_of_seconds_is_kept_exactly(seconds: int) -> None:
    minutes, rest = divmod(seconds, 60)

    assert parse_duration_s(f"{seconds}s", name="t") == seconds
    assert parse_duration_s(f"{minutes}min {rest}sec", name="t") == seconds


@given(st.integers(0, 2**31 - 1))
def test_a_duration_in_words_is_read_back(seconds: int) -> None:
    assert parse_duration_s(duration_text(seconds), name="t") == seconds


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (9000, "2h 30m"), (86_401, "1d 1s")])
def test_a_duration_in_words_leaves_out_what_is_none(seconds: int, text: str) -> None:
    assert duration_text(seconds) == text
