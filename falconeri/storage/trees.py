"""Many files at once, for every store alike."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from falconeri.errors import TransferFailed
from falconeri.storage.atomic import local_errors, no_room
from falconeri.storage.base import Entry
from falconeri.storage.pool import FILES
from falconeri.storage.uri import relative_path

AHEAD = 10_000
"""Files that are listed before they can be fetched: the sooner it is known that they don't fit."""


def download_tree(
    files: Iterator[Entry], base: str, directory: Path, fetch: Callable[[str, Path], int]
) -> int:
    """Fetch all files to their places below `directory`; the first error stops the rest.

    Args:
        files: As listed below `base`; `AHEAD` of them are read before they are fetched.
        fetch: Gets one URI to a path and returns the number of bytes.

    Returns:
        The number of bytes of all.

    Raises:
        TransferFailed: There is no room for all of them; or a file changed, or can't be written.
    """
    with local_errors(directory):
        directory.mkdir(parents=True, exist_ok=True)
        free_bytes = shutil.disk_usage(directory).free

    def fetches() -> Iterator[Callable[[], int]]:
        listed_bytes = 0
        for entry in files:
            listed_bytes += entry.size_bytes
            if listed_bytes > free_bytes:
                problem = f"{base} has {listed_bytes:,} bytes or more, {directory} has room for"
                raise no_room(f"{problem} {free_bytes:,}")
            yield partial(_fetch, entry, directory / relative_path(entry.uri, base), fetch)

    return sum(FILES.run_all(fetches(), ahead=AHEAD))


def _fetch(entry: Entry, target: Path, fetch: Callable[[str, Path], int]) -> int:
    size_bytes = fetch(entry.uri, target)
    if size_bytes != entry.size_bytes:
        problem = f"{entry.uri}: listed with {entry.size_bytes} bytes, fetched {size_bytes}"
        raise TransferFailed("the file changed while its directory was read", detail=problem)
    return size_bytes
