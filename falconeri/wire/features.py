"""What a falconerid understands that the original's ignores, told by a header of its `/version`.

The original ignores headers and parameters that it doesn't know: who sends it one and relies on it
gets two jobs, or one that he only wanted planned. So clients ask first.
"""

from __future__ import annotations

HEADER = "Falconeri-Features"
"""Of the answer to `GET /version`: words, with commas between them."""

IDEMPOTENCY_KEY = "idempotency-key"
"""A request with this header makes one job however often it is sent."""

PLAN = "plan"
"""`POST /jobs?plan=1` makes no job."""

ALL = frozenset({IDEMPOTENCY_KEY, PLAN})


def written(features: frozenset[str]) -> str:
    """Return the header's value."""
    return ", ".join(sorted(features))


def read(value: str | None) -> frozenset[str]:
    """Return the words of the header; none if there is no such header."""
    return frozenset(word for part in (value or "").split(",") if (word := part.strip()))
