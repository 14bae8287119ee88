"""How much memory workers get: one amount, or a ladder of amounts for datums that need more.

Called by `falconeri.wire.spec`. Amounts are written as Kubernetes writes them (`500Mi`, `2G`).
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Annotated

from msgspec import Meta, Struct

MAX_RUNGS = 16
"""More would be a factor that helps nobody; the tables number them up to this."""

_UNITS: dict[str, int] = {
    "": 1,
    **{unit: 1000**power for power, unit in enumerate("kMGTPE", start=1)},
    **{f"{unit}i": 1024**power for power, unit in enumerate("KMGTPE", start=1)},
}
MEMORY = r"^[0-9]{1,18}(\.[0-9]{1,9})?([kMGTPE]|[KMGTPE]i)?$(?!\n)"
"""An amount of memory as Kubernetes writes it, without the forms that nobody uses for it."""

_MEMORY = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,9})?)([A-Za-z]*)")
_SHORTEST_FIRST = ("Ei", "Pi", "Ti", "Gi", "Mi", "Ki", "E", "P", "T", "G", "M", "k")

_Memory = Annotated[str, Meta(pattern=MEMORY)]


class MemoryLadder(Struct, frozen=True, forbid_unknown_fields=True):
    """`start` for all datums; for those that run out of it `factor` times as much, up to `max`."""

    start: _Memory
    max: _Memory
    factor: Annotated[float, Meta(gt=1, le=1024)] = 2.0

    def __post_init__(self) -> None:
        """Refuse what is no ladder, or has more rungs than anybody can use."""
        if _bytes(self.start) < 1:
            raise ValueError(f"`start`: {self.start} is less than a byte")
        if _bytes(self.max) <= _bytes(self.start):
            raise ValueError(
                f"`max`: {self.max} is not more than `start`, {self.start};"
                ' for one amount write `"memory": "…"`'
            )
        if len(self.rungs) > MAX_RUNGS:
            raise ValueError(
                f"`factor`: {self.factor:g} makes more than {MAX_RUNGS} steps"
                f" from {self.start} to {self.max}"
            )

    @property
    def rungs(self) -> list[str]:
        """The amounts, the least first, `max` last; one more than `MAX_RUNGS` if there are more."""
        amount, top, factor = _bytes(self.start), _bytes(self.max), Fraction(str(self.factor))
        found = [self.start]
        while (amount := Fraction(math.ceil(amount * factor))) < top and len(found) < MAX_RUNGS:
            found.append(_text(int(amount)))
        return [*found, self.max]


def _bytes(text: str) -> Fraction:
    memory = _MEMORY.fullmatch(text)
    if memory is None or memory[2] not in _UNITS:
        raise ValueError(f"{text!r} is not an amount of memory (e.g. 500Mi, 2Gi)")
    return Fraction(memory[1]) * _UNITS[memory[2]]


def _text(amount: int) -> str:
    """As short as it can be said exactly."""
    unit = next((unit for unit in _SHORTEST_FIRST if amount % _UNITS[unit] == 0), "")
    return f"{amount // _UNITS[unit]}{unit}"
