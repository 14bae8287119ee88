"""Parts of big files: how they are cut, read and written, many at a time.

For the stores; knows none of them.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from falconeri.storage.wanted import go_on

_MB = 1 << 20

MOST_PARTS = 10_000
"""S3 and Google accept no more for one object."""


@dataclass(frozen=True, slots=True)
class Part:
    """`number` counts from 1, as the stores do."""

    number: int
    offset: int
    size_bytes: int

    @property
    def last(self) -> int:
        """The offset of its last byte."""
        return self.offset + self.size_bytes - 1


def split(size_bytes: int, part_bytes: int) -> list[Part]:
    """Cut a file into equal parts, but for the last; bigger ones if they were too many."""
    least = -(-size_bytes // MOST_PARTS)
    if least > part_bytes:
        part_bytes = -(-least // _MB) * _MB
    return [
        Part(number, offset, min(part_bytes, size_bytes - offset))
        for number, offset in enumerate(range(0, size_bytes, part_bytes), start=1)
    ]


class PartReader:
    """A part of a local file as a file of its own, of which nothing is kept in memory."""

    def __init__(self, descriptor: int, part: Part) -> None:
        self._descriptor = descriptor
        self._part = part
        self._position = 0

    def __len__(self) -> int:
        return self._part.size_bytes

    def tell(self) -> int:
        """Return the position within the part."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move within the part."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: len(self)}[whence]
        self._position = max(0, base + offset)
        return self._position

    def read(self, size: int | None = None) -> bytes:
        """Read at most `size` bytes, or the rest.

        Raises:
            Unwanted: Nobody wants the file to be moved any more.
        """
        go_on()
        left = max(0, len(self) - self._position)
        wanted = left if size is None or size < 0 else min(size, left)
        data = os.pread(self._descriptor, wanted, self._part.offset + self._position)
        self._position += len(data)
        return data


@contextmanager
def opened(path: Path, flags: int) -> Generator[int]:
    """Open a local file for many threads at once, which each say their offsets."""
    descriptor = os.open(path, flags, 0o666)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def write_at(descriptor: int, data: bytes, offset: int) -> None:
    """Write all of `data`."""
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written
