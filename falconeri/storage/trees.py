"""Many files at once, for every store alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, as_completed, wait
from pathlib import Path

from falconeri.errors import TransferFailed
from falconeri.storage.atomic import local_errors
from falconeri.storage.base import Entry
from falconeri.storage.uri import relative_path

THREADS = 8
"""Files of one tree that are fetched at the same time."""

_QUEUED = 4 * THREADS


def download_tree(
    files: Iterator[Entry], base: str, directory: Path, fetch: Callable[[str, Path], int]
) -> int:
    """Fetch all files to their places below `directory`; the first error stops the rest.

    Args:
        files: As listed below `base`; read only as fast as the files are fetched.
        fetch: Gets one URI to a path and returns the number of bytes.

    Returns:
        The number of bytes of all.
    """
    with local_errors(directory):
        directory.mkdir(parents=True, exist_ok=True)
    total = 0
    pending: set[Future[int]] = set()
    with ThreadPoolExecutor(THREADS, thread_name_prefix="download") as pool:
        try:
            for entry in files:
                target = directory / relative_path(entry.uri, base)
                pending.add(pool.submit(_fetch, entry, target, fetch))
                if len(pending) >= _QUEUED:
                    done, pending = wait(pending, return_when=FIRST_COMPLETED)
                    total += sum(future.result() for future in done)
            total += sum(future.result() for future in as_completed(pending))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return total


def _fetch(entry: Entry, target: Path, fetch: Callable[[str, Path], int]) -> int:
    size_bytes = fetch(entry.uri, target)
    if size_bytes != entry.size_bytes:
        problem = f"{entry.uri}: listed with {entry.size_bytes} bytes, fetched {size_bytes}"
        raise TransferFailed("the file changed while its directory was read", detail=problem)
    return size_bytes
