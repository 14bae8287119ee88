"""Whether the disk has room for another datum's files beside those of the datum in work.

Called by `lane`, before a datum is fetched ahead, and by `datum`, which tells how large they are.
How large the next one is nobody knows before; the largest one so far has to do.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

_LARGEST = 3
"""The command in work may still write as much as it has read, and the next one brings its own."""

_OF_DISK = 20

_FULL = {errno.ENOSPC, errno.EDQUOT}


class Room:
    """The disk that a worker's directories are on. Safe for all lanes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._largest_bytes = 0
        self._was_full = False

    def note(self, size_bytes: int) -> None:
        """Tell how large a datum's files are."""
        self._largest_bytes = max(self._largest_bytes, size_bytes)

    def note_full(self) -> None:
        """Tell that a datum fetched ahead found the disk full: it was the last one."""
        self._was_full = True

    def is_plenty(self) -> bool:
        """Whether a datum may be fetched ahead: a twentieth of the disk, and thrice the largest."""
        if self._was_full:
            return False
        disk = os.statvfs(self._directory)
        free_bytes = disk.f_bavail * disk.f_frsize
        disk_bytes = disk.f_blocks * disk.f_frsize
        return free_bytes >= max(disk_bytes // _OF_DISK, _LARGEST * self._largest_bytes)


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an error, or what it comes from, is a lack of room on a disk."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        error = error.__cause__
    return False
