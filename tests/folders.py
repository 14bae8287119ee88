"""Folders that everybody may enter: as root, PostgreSQL runs as somebody else.

For the state directories of servers and stacks, which pytest's `tmp_path` is too private for. They
lie in memory where that has room: to copy a database there costs a fifth.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

_MEMORY = Path("/dev/shm")
_ROOM_BYTES = 4 * 2**30


def make_folder(name: str) -> Path:
    """Make a folder with this in its name, to be removed by the caller."""
    folder = Path(tempfile.mkdtemp(prefix=f"falconeri-{name}-", dir=_place()))
    folder.chmod(0o755)
    return folder


@contextmanager
def public_folder(name: str) -> Generator[Path]:
    """A folder with this in its name, until the end of the block, whatever is in it."""
    folder = make_folder(name)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _place() -> Path:
    """Memory if it has room and its files may be programs, else a folder that all may enter."""
    if (
        _MEMORY.is_dir()
        and shutil.disk_usage(_MEMORY).free > _ROOM_BYTES
        and not os.statvfs(_MEMORY).f_flag & os.ST_NOEXEC
    ):
        return _MEMORY
    return Path("/tmp")
