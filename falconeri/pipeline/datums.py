"""The plan of a job: which files make up each of its datums.

Called by falconerid when a job is created. Lists storage, transfers nothing and multiplies nothing:
crosses are expanded by `sql/functions/job/expand_cross.sql`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from msgspec import UNSET, Struct

from falconeri.errors import ObjectNotFound
from falconeri.storage.base import Entry, Storage
from falconeri.storage.uri import as_directory, relative_path
from falconeri.wire.spec import Atom, Glob, Input
from falconeri.wire.work import InputRef

Leaf = TypeVar("Leaf")

Inputs = list[InputRef]
"""The files of one datum."""

OpenStorage = Callable[[str], Storage]


class ListedDatum(NamedTuple):
    """A datum of an atom; its size is None if it is a folder, of which a listing doesn't say it."""

    inputs: Inputs
    size_bytes: int | None


@dataclass(frozen=True)
class Listing:
    """The datums of an atom; they are listed while they are read, which can be done once."""

    atom: Atom
    datums: Iterator[ListedDatum]


class UnionOf(Struct, Generic[Leaf], frozen=True):
    """The datums of its parts, one part after the other."""

    union: tuple[Plan[Leaf], ...]


class CrossOf(Struct, Generic[Leaf], frozen=True):
    """Each combination of a datum of each part (at least two), the first changing most slowly."""

    cross: tuple[Plan[Leaf], ...]


Plan: TypeAlias = "Leaf | UnionOf[Leaf] | CrossOf[Leaf]"
"""Atoms and what is made of them. As JSON, with numbers of datums for leaves, what SQL reads."""


def plan_datums(input_: Input, open_: OpenStorage) -> Plan[Listing]:
    """Plan the datums of an input; nothing is listed yet.

    An atom gives one datum with everything (`/`), or one for each top-level file and directory
    (`/*`), in the order of the listing.

    Args:
        open_: Gives the storage for a URI.

    While a listing is read, it raises:
        ObjectNotFound: Nothing lies below the URI of the atom.
        InvalidInput: A key can't become a local path.
        StorageError: See `Storage`.
    """
    if (atom := input_.files) is not None:
        return Listing(atom, _list_atom(atom, open_))
    if input_.union is not UNSET:
        return UnionOf(tuple(plan_datums(part, open_) for part in input_.union))
    parts = tuple(plan_datums(part, open_) for part in input_.cross or [])
    # With nothing to combine it with, a part is what it is.
    return CrossOf(parts) if len(parts) > 1 else UnionOf(parts)


def _list_atom(atom: Atom, open_: OpenStorage) -> Iterator[ListedDatum]:
    storage = open_(atom.uri)
    directory = f"/pfs/{atom.repo}/"
    if atom.glob is Glob.WHOLE:
        _require_some(storage.list_files(atom.uri), atom.uri)
        yield ListedDatum([InputRef(as_directory(atom.uri), directory)], None)
        return
    for entry in _require_some(storage.list_entries(atom.uri), atom.uri):
        ref = InputRef(entry.uri, directory + relative_path(entry.uri, atom.uri))
        yield ListedDatum([ref], None if entry.is_directory else entry.size_bytes)


def _require_some(entries: Iterator[Entry], uri: str) -> Iterator[Entry]:
    """Return the same entries if there is at least one: a job without work is a mistake."""
    first = next(entries, None)
    if first is None:
        raise ObjectNotFound(detail=uri, hint="an input needs at least one file")
    return chain([first], entries)
