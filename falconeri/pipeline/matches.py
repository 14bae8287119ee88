"""What a glob finds below a URI: the files and directories that datums are made of.

Called by the plan. If what the glob finds lies at known depths, directories are listed one by one,
only those that lead to something, and no directory that is found. Else (`**`), or if sizes matter,
all files below are listed at once. Either way the store is asked only for what begins as the glob
does, and a match is forgotten when it has been handed on; they come in the order of their keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import NamedTuple

from falconeri.errors import DirectoryNotFound
from falconeri.globs import Glob, GlobPath, common_prefix
from falconeri.pipeline.tree import Tree
from falconeri.storage.base import Entry, Storage
from falconeri.storage.uri import as_directory, relative_path

CHECKED = 10_000
"""Files that are looked at in directories which needn't be listed: ten requests."""


class Match(NamedTuple):
    """A file, or (its URI ends with `/`) a directory with all that is in it."""

    uri: str
    size_bytes: int | None
    """None: a directory that wasn't looked into."""


def find_matches(
    storage: Storage, uri: str, glob: Glob, *, measured: bool = False
) -> Iterator[Match]:
    """List what a glob finds below `uri`, a directory (its `/` may lack).

    Where it finds a directory, nothing in that is found again. A directory without any file is
    found only if directories are listed one by one. No names are refused, but see `measured`.

    Args:
        measured: Look into the directories that are found: whatever couldn't be a local path
            there is refused, and their sizes are known. That of the URI itself always is.

    Raises:
        ObjectNotFound: No such bucket.
        InvalidInput, StorageError: See `Storage`; `InvalidInput` also for what is refused.
    """
    base = as_directory(uri)
    deep = measured or glob.is_deep or glob.is_whole
    for prefix in glob.prefixes:
        directory, slash, beginning = prefix.rpartition("/")
        start = f"{base}{directory}{slash}"
        try:
            if deep:
                files = storage.list_files(start, beginning=beginning)
                yield from _matches(files, base, glob.below(prefix))
            else:
                depth = prefix.count("/")
                yield from _entries(storage, start, beginning, depth, glob.below(prefix).paths)
        except DirectoryNotFound as ex:
            if ex.detail != start:  # it was there when its entry was listed
                raise


def check_directories(storage: Storage, uri: str, glob: Glob) -> None:
    """Refuse a key in the directories that a glob finds which couldn't be a local file there.

    Only among the first `CHECKED` files: so a mistake is known before there is a job, and a store
    of millions isn't read for it. Where all files are listed anyway, `find_matches` does it.

    Raises:
        ObjectNotFound: No such bucket.
        InvalidInput, StorageError: As `find_matches`, if it is `measured`.
    """
    if glob.is_deep or glob.is_whole:
        return
    base = as_directory(uri)
    for prefix in glob.prefixes:
        directory, slash, beginning = prefix.rpartition("/")
        files = storage.list_files(f"{base}{directory}{slash}", beginning=beginning)
        with suppress(DirectoryNotFound):
            for _ in _matches(islice(files, CHECKED), base, glob.below(prefix)):
                pass


def _entries(
    storage: Storage, directory: str, beginning: str, depth: int, paths: Sequence[GlobPath]
) -> Iterator[Match]:
    """List a directory, and those in it that lead to something.

    Args:
        depth: How many segments of the paths lead here.
        paths: Those that do.
    """
    for entry in storage.list_entries(directory, beginning=beginning):
        name = entry.uri[len(directory) :].removesuffix("/")
        fitting = [path for path in paths if _takes(path, depth, name)]
        ended = [path for path in fitting if len(path.segments) == depth + 1]
        if not entry.is_directory:
            if any(path.finds_files for path in ended):
                yield Match(entry.uri, entry.size_bytes)
        elif any(path.finds_directories for path in ended):
            yield Match(entry.uri, None)
        elif onward := [path for path in fitting if len(path.segments) > depth + 1]:
            narrower = common_prefix([path.segments[depth + 1] for path in onward])
            yield from _entries(storage, entry.uri, narrower, depth + 1, onward)


def _takes(path: GlobPath, depth: int, name: str) -> bool:
    segment = path.segments[depth]
    return segment is not None and segment.takes(name)


def _matches(files: Iterator[Entry], base: str, glob: Glob) -> Iterator[Match]:
    """Take all files; those of a directory that the glob finds are neighbours, and become one."""
    directory: _Directory | None = None
    for entry in files:
        if directory is not None and entry.uri.startswith(directory.uri):
            directory.add(entry)
            continue
        if directory is not None:
            yield directory.match
            directory = None
        names = entry.uri[len(base) :].split("/")
        depth = glob.depth_in(names)
        if depth == len(names):
            yield Match(entry.uri, entry.size_bytes)
        elif depth is not None:
            directory = _Directory(base, names[:depth])
            directory.add(entry)
    if directory is not None:
        yield directory.match


class _Directory:
    """One that the glob finds, while its files go by."""

    def __init__(self, base: str, names: Sequence[str]) -> None:
        self.uri = base + "".join(f"{name}/" for name in names)
        self._base = base
        self._size_bytes = 0
        self._tree = Tree()

    @property
    def match(self) -> Match:
        """All of it."""
        return Match(self.uri, self._size_bytes)

    def add(self, file: Entry) -> None:
        """Take the next file, unless it can't be a local one."""
        relative_path(file.uri, self._base)
        self._tree.add(file.uri)
        self._size_bytes += file.size_bytes
