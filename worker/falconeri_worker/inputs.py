"""A datum's inputs on their way to `/pfs`: many at once, but as if it were one after the other.

Called by `datum`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from falconeri.wire.work import InputRef
from falconeri_worker import directories
from falconeri_worker.stores import Stores

RunAll = Callable[[Sequence[Callable[[], int]]], list[int]]


def fetch_inputs(inputs: Sequence[InputRef], pfs: Path, stores: Stores, run_all: RunAll) -> int:
    """Fetch all inputs; where two have a file in common, the later one wins.

    Args:
        inputs: In the order given.
        run_all: Runs many transfers at once, until all have ended.

    Returns:
        The number of bytes.

    Raises:
        InvalidInput: A path that isn't in a repository, or a URI that isn't one.
        StorageError: See `Storage`.
    """
    paths = [directories.local_path(pfs, each.local_path) for each in inputs]

    def fetch(number: int) -> int:
        uri = inputs[number].uri
        return stores.of(uri).download(uri, paths[number])

    return sum(sum(run_all([partial(fetch, n) for n in wave])) for wave in apart(paths))


def apart(paths: Sequence[Path]) -> Iterator[range]:
    """Cut a list of files and directories where one is, or lies in, an earlier one of its piece.

    Also where an earlier one lies in it.
    """
    start = 0
    taken, above = set[Path](), set[Path]()
    for number, path in enumerate(paths):
        if path in above or not taken.isdisjoint((path, *path.parents)):
            yield range(start, number)
            start = number
            taken, above = set[Path](), set[Path]()
        taken.add(path)
        above.update(path.parents)
    if paths:
        yield range(start, len(paths))
