"""Makes text that others wrote (programs, servers, file names) safe to print on a terminal.

Called wherever such text is printed: an escape sequence in it must not move the cursor.
"""

from __future__ import annotations

import re

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # all but tab and newline


def clean(text: str) -> str:
    """Replace control characters by U+FFFD; lines stay lines."""
    return _CONTROL.sub("\ufffd", text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """Fold the text into one line."""
    return clean(" ".join(text.split()))


def on_one_line(name: str) -> str:
    """Keep a name on one line, with each of its spaces: somebody may copy it."""
    return clean(name).replace("\n", "\ufffd").replace("\t", "\ufffd")


def last_lines(text: str, count: int) -> list[str]:
    """Return the last lines that have something in them."""
    lines = [clean(line.rstrip()) for line in text.splitlines() if line.strip()]
    return lines[-count:]
