"""The plan of a job: which files make up each of its datums.

Called by falconerid when a job is created. Lists storage, transfers nothing and multiplies nothing:
crosses are expanded by `sql/functions/job/expand_cross.sql`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from msgspec import UNSET, Struct

from falconeri.errors import ObjectNotFound
from falconeri.globs import compile_glob
from falconeri.pipeline.groups import grouped
from falconeri.pipeline.matches import Match, check_directories, find_matches
from falconeri.pipeline.tree import Tree
from falconeri.storage.base import Storage
from falconeri.storage.uri import as_directory, relative_path
from falconeri.wire.spec import Atom, Input
from falconeri.wire.work import InputRef

Leaf = TypeVar("Leaf")

Inputs = list[InputRef]
"""The files of one datum."""

OpenStorage = Callable[[str], Storage]


class ListedDatum(NamedTuple):
    """A datum of an atom."""

    inputs: Inputs
    size_bytes: int
    exact: bool = True
    """False: there are folders in it that weren't looked into, which count as nothing."""


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

    An atom gives one datum for each file and directory that its glob finds (`falconeri.globs`), in
    the order of their keys, or for each group of these.

    Args:
        open_: Gives the storage for a URI.

    While a listing is read, it raises:
        ObjectNotFound: No such bucket, or the glob of an atom finds nothing, which isn't allowed.
        InvalidInput: A key can't become a local path, or not together with another one.
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
    matches = _found(atom, open_(atom.uri))
    if atom.datums is UNSET:
        for match in matches:
            yield _datum(atom, [match])
        return
    for group in grouped(matches, atom.datums):
        tree = Tree()
        for match in group:
            tree.add(match.uri)
        yield _datum(atom, group)


def _found(atom: Atom, storage: Storage) -> Iterator[Match]:
    """List what the glob finds: at least something, as a job without work is a mistake."""
    measured = atom.datums is not UNSET and atom.datums.max_bytes is not None
    glob = compile_glob(atom.glob)
    if not measured:
        check_directories(storage, atom.uri, glob)
    matches = find_matches(storage, atom.uri, glob, measured=measured)
    first = next(matches, None)
    if first is not None:
        return chain([first], matches)
    if atom.allow_empty:
        return iter(())
    raise ObjectNotFound(
        "the glob finds nothing",
        detail=f"{atom.uri} with the glob {atom.glob}",
        hint='if that may be: "allow_empty": true',
    )


def _datum(atom: Atom, matches: Sequence[Match]) -> ListedDatum:
    return ListedDatum(
        [InputRef(match.uri, _local_path(atom, match.uri)) for match in matches],
        sum(match.size_bytes or 0 for match in matches),
        exact=all(match.size_bytes is not None for match in matches),
    )


def _local_path(atom: Atom, uri: str) -> str:
    directory = f"/pfs/{atom.repo}/"
    is_whole = uri == as_directory(atom.uri)
    return directory if is_whole else directory + relative_path(uri, atom.uri)
