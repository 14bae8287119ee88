"""The ends of log files, for messages about what went wrong.

Called by those who keep programs running.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path


def last_lines(log: Path, count: int = 5) -> list[str]:
    """Return the last lines of a file, none if it can't be read."""
    try:
        with log.open(errors="replace") as file:
            return [line.rstrip() for line in deque(file, maxlen=count)]
    except OSError:
        return []
