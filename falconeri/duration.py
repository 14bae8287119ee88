"""Durations as people write them: `90s`, `5m`, `2h 37min`, `1day 2h`, `1.5h`.

The units are those of the original's specs. Case matters: `m` is a minute, `M` a month.
Called for the fields of a spec and for settings.
"""

from __future__ import annotations

import re
from fractions import Fraction

_UNITS: dict[str, Fraction] = {
    name: Fraction(seconds)
    for names, seconds in (
        ("ns nsec nanos", "1/1000000000"),
        ("us usec µs", "1/1000000"),
        ("ms msec millis", "1/1000"),
        ("s sec secs second seconds", "1"),
        ("m min mins minute minutes", "60"),
        ("h hr hrs hour hours", "3600"),
        ("d day days", "86400"),
        ("w wk wks week weeks", "604800"),
        ("M month months", "2630016"),
        ("y yr yrs year years", "31557600"),
    )
    for name in names.split()
}
_SPAN = re.compile(r"\s*([0-9]{1,18}(?:\.[0-9]{1,18})?)\s*([A-Za-zµ]+)\s*")
_MAX_S = 2**31 - 1


def parse_duration_s(text: str, *, name: str) -> int:
    """Whole seconds of a duration, truncated.

    Args:
        name: The field, for the message.

    Raises:
        ValueError: Not a duration, or longer than 68 years.
    """
    if text == "0":
        return 0
    total, position = Fraction(0), 0
    while span := _SPAN.match(text, position):
        if span[2] not in _UNITS:
            raise ValueError(f"`{name}`: unknown unit {span[2]!r} in {text!r} (e.g. 90s, 5m, 2h)")
        total += Fraction(span[1]) * _UNITS[span[2]]
        position = span.end()
    if position == 0 or position != len(text):
        raise ValueError(f"`{name}`: {text!r} is not a duration (e.g. 90s, 5m, 1h 30m)")
    if total > _MAX_S:
        raise ValueError(f"`{name}`: {text!r} is longer than 68 years")
    return int(total)


def duration_text(seconds: int) -> str:
    """Return a duration as people write it: `2h 30m`, `1d 1s`, `0s`."""
    parts: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts) or "0s"
