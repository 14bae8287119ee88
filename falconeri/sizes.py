"""Numbers of bytes as people write them: `256MiB`, `1.5GiB`, `500 kB`, `100B`.

`KiB` and so on are powers of 1024, `kB` (or `KB`) and so on powers of 1000. Called for the fields
of a spec.
"""

from __future__ import annotations

import re
from fractions import Fraction

_UNITS: dict[str, int] = {
    "B": 1,
    "KB": 1000,
    **{f"{prefix}B": 1000**power for power, prefix in enumerate("kMGTP", start=1)},
    **{f"{prefix}iB": 1024**power for power, prefix in enumerate("KMGTP", start=1)},
}
SIZE = rf"^[0-9]{{1,18}}(\.[0-9]{{1,18}})? ?({'|'.join(_UNITS)})$(?!\n)"
"""What a size looks like, for schemas."""

_SIZE = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,18})?) ?([A-Za-z]+)")
_MAX_BYTES = 2**63 - 1


def parse_size_bytes(text: str, *, name: str) -> int:
    """Whole bytes of a size, rounded down.

    Args:
        name: The field, for the message.

    Raises:
        ValueError: Not a size, less than a byte, or too many for any store.
    """
    size = _SIZE.fullmatch(text)
    if size is None or size[2] not in _UNITS:
        raise ValueError(f"`{name}`: {text!r} is not a size (e.g. 256MiB, 1.5GiB, 500kB)")
    size_bytes = int(Fraction(size[1]) * _UNITS[size[2]])
    if not 1 <= size_bytes <= _MAX_BYTES:
        raise ValueError(f"`{name}`: {text!r} is less than a byte or more than any store holds")
    return size_bytes
