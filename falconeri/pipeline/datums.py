"""The plan of a job: which files make up each of its datums.

Called by falconerid when a job is created, and by dry runs. Lists storage, transfers nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, pairwise, product

from msgspec import UNSET

from falconeri.errors import InvalidInput, ObjectNotFound
from falconeri.storage.base import Entry, Storage
from falconeri.storage.uri import as_directory, relative_path
from falconeri.wire.spec import Atom, Glob, Input
from falconeri.wire.work import InputRef

Inputs = list[InputRef]
"""The files of one datum."""

OpenStorage = Callable[[str], Storage]


def plan_datums(input_: Input, open_: OpenStorage) -> Iterator[Inputs]:
    """Yield the datums of an input, in the order of the listings.

    An atom gives one datum with everything (`/`), or one for each top-level file and directory
    (`/*`); a `union` the datums of its parts, one after the other; a `cross` each combination of
    its factors' datums, the left factor changing most slowly. An empty `union` or `cross` has no
    datums. All is streamed but the right factors of a `cross`, which are held in memory.

    Args:
        open_: Gives the storage for a URI.

    Raises:
        ObjectNotFound: Nothing lies below the URI of an atom.
        InvalidInput: A key can't become a local path, or two files of a datum would share one.
        StorageError: See `Storage`. All errors are raised while the datums are read.
    """
    if (atom := input_.files) is not None:
        return _plan_atom(atom, open_)
    if input_.union is not UNSET:
        return chain.from_iterable(plan_datums(part, open_) for part in input_.union)
    return _plan_cross(input_.cross or [], open_)


def _plan_atom(atom: Atom, open_: OpenStorage) -> Iterator[Inputs]:
    storage = open_(atom.uri)
    directory = f"/pfs/{atom.repo}/"
    if atom.glob is Glob.WHOLE:
        _require_some(storage.list_files(atom.uri), atom.uri)
        yield [InputRef(as_directory(atom.uri), directory)]
        return
    for entry in _require_some(storage.list_entries(atom.uri), atom.uri):
        yield [InputRef(entry.uri, directory + relative_path(entry.uri, atom.uri))]


def _require_some(entries: Iterator[Entry], uri: str) -> Iterator[Entry]:
    """Return the same entries if there is at least one: a job without work is a mistake."""
    first = next(entries, None)
    if first is None:
        raise ObjectNotFound(detail=uri, hint="an input needs at least one file")
    return chain([first], entries)


def _plan_cross(factors: list[Input], open_: OpenStorage) -> Iterator[Inputs]:
    if not factors:
        return
    rights = [list(plan_datums(factor, open_)) for factor in factors[1:]]
    for left in plan_datums(factors[0], open_):
        for combination in product(*rights):
            datum = left + list(chain.from_iterable(combination))
            _refuse_shared_paths(datum)
            yield datum


def _refuse_shared_paths(datum: Inputs) -> None:
    """Refuse equal local paths, and a path inside another input's directory."""
    # With a slash after each, whatever lies inside a path sorts directly behind it.
    paths = sorted(((as_directory(ref.local_path), ref) for ref in datum), key=lambda pair: pair[0])
    for (path, ref), (other_path, other) in pairwise(paths):
        if other_path.startswith(path):
            raise InvalidInput(
                "two inputs of one datum have the same local path",
                detail=f"{ref.uri} as {ref.local_path}, {other.uri} as {other.local_path}",
                hint="give each part of a cross a repo of its own",
            )
