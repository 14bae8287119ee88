"""What a command prints, kept within bounds and fit for a database.

Written by `command`, read at its end, and meanwhile by `heartbeat`. Knows nothing of processes.
"""

from __future__ import annotations

import codecs
import threading

KEEP_BYTES = 64 * 1024
"""How much of the beginning is kept, and as much of the end.

As JSON that is below the 2 MiB that the smallest of falconerids accepts, whatever bytes they are.
"""

_CONTINUATION = range(0x80, 0xC0)
_LONGEST_SEQUENCE = 4


class Excerpt:
    """The beginning and the end of a stream of bytes. Safe to read while another thread writes."""

    def __init__(self, keep_bytes: int = KEEP_BYTES) -> None:
        self._keep_bytes = keep_bytes
        self._head = bytearray()
        self._tail = bytearray()
        self._dropped_bytes = 0
        self._lock = threading.Lock()

    def add(self, data: bytes) -> None:
        """Add what came next."""
        with self._lock:
            room = self._keep_bytes - len(self._head)
            self._head += data[:room]
            self._tail += data[room:]
            # Cut now and then only, as each cut moves the rest.
            if len(self._tail) > 2 * self._keep_bytes:
                self._cut()

    def last_lines(self, limit_bytes: int) -> str:
        """Return the end of it so far: as many whole lines as fit, or what fits of the last one.

        Args:
            limit_bytes: Of its UTF-8, > 0.
        """
        with self._lock:
            # A byte more than may be returned tells whether a line begins there.
            end = bytes(self._tail[-limit_bytes - 1 :])
            if len(end) <= limit_bytes and not self._dropped_bytes:
                end = bytes(self._head[len(end) - limit_bytes - 1 :]) + end
        if len(end) > limit_bytes:
            end = end[end.find(b"\n", 0, -1) + 1 :]  # all of it, if no line begins there
        return _within(end, limit_bytes)

    def text(self) -> str:
        """Return it, with a line in the middle that says how much is missing there."""
        with self._lock:
            self._cut()
        if not self._dropped_bytes:
            return printable(bytes(self._head + self._tail))
        # The cuts may go through a character; its halves are no error of the program.
        head, tail = _without_half_at_end(bytes(self._head)), _without_half_at_start(self._tail)
        cut = self._dropped_bytes + len(self._head) - len(head) + len(self._tail) - len(tail)
        return f"{printable(head)}\n[... {cut} bytes left out ...]\n{printable(tail)}"

    def _cut(self) -> None:
        excess = len(self._tail) - self._keep_bytes
        if excess > 0:
            del self._tail[:excess]
            self._dropped_bytes += excess


def printable(text: bytes | str) -> str:
    """Make any text storable: U+FFFD for what is not UTF-8, the picture of NUL for NUL."""
    if isinstance(text, str):
        # File names that aren't UTF-8 come as lone surrogates.
        text = text.encode(errors="surrogateescape")
    return text.decode(errors="replace").replace("\0", "␀")


def _within(data: bytes, limit_bytes: int) -> str:
    """Make bytes storable; replacing some may make them longer, and costs the beginning then."""
    text = printable(_without_half_at_start(data)).encode()
    return _without_half_at_start(text[-limit_bytes:]).decode()


def _without_half_at_end(data: bytes) -> bytes:
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    decoder.decode(data)
    half, _ = decoder.getstate()
    return data.removesuffix(half)


def _without_half_at_start(data: bytes | bytearray) -> bytes:
    start = 0
    while start < min(_LONGEST_SEQUENCE - 1, len(data)) and data[start] in _CONTINUATION:
        start += 1
    return bytes(data[start:])
