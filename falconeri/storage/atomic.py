"""Local files that appear whole or not at all. For the stores; knows none of them."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG

from falconeri.errors import TransferFailed

PARTIAL = re.compile(r"\.falconeri-[0-9a-f]{16}-[0-9a-f]{8}\.part")
"""The name of a file that is still being written, or whose writer was killed."""


@contextmanager
def replacing(path: Path) -> Generator[Path]:
    """Give a name beside `path` to write to; in the end it becomes `path`, after an error nothing.

    Parents are made.

    Raises:
        OSError: The file system refuses.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f"{_beginning(path)}{secrets.token_hex(4)}.part"
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def partials(path: Path) -> Iterator[Path]:
    """Yield what unfinished writers of `path` have left beside it.

    Raises:
        OSError: The file system refuses.
    """
    return path.parent.glob(f"{_beginning(path)}*.part")


def _beginning(path: Path) -> str:
    """Begin the temporary names for a file: they tell whose they are, however long its name is."""
    name = hashlib.sha256(os.fsencode(path.name)).hexdigest()
    return f".falconeri-{name[:16]}-"


def no_room(problem: str) -> TransferFailed:
    """Return the error for what the disk can't hold, known before anything is written."""
    error = TransferFailed("not enough room on the disk", detail=problem)
    error.__cause__ = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return error


@contextmanager
def local_errors(path: Path) -> Generator[None]:
    """Turn what the file system says about a local file into an error that names the file."""
    try:
        yield
    except OSError as ex:
        raise TransferFailed("local file error", detail=f"{path}: {ex.strerror or ex}") from ex


@contextmanager
def unchanging(path: Path) -> Generator[int]:
    """Give the size of a local file; at the end, check that nobody has written to it.

    Raises:
        TransferFailed: It changed, or isn't a regular file.
    """
    with local_errors(path):
        before = path.stat()
    if not S_ISREG(before.st_mode):
        raise TransferFailed("not a regular file", detail=str(path))
    yield before.st_size
    with local_errors(path):
        after = path.stat()
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise TransferFailed("the file changed while it was read", detail=str(path))
