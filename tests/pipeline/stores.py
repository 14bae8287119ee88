"""Stores for listing, made of nothing but keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import cast

from falconeri.errors import DirectoryNotFound
from falconeri.storage import Entry, Storage

BASE = "s3://bucket/in/"


@dataclass
class Keys:
    """A store with these keys below `BASE`, whose sizes are those of their names.

    Args:
        make: Yields the keys in their order, anew each time.
    """

    make: Callable[[], Iterable[str]]
    asked: list[str] = field(default_factory=list[str])
    """What the listed keys had to begin with, relative to `BASE`; with `*` at the end if deep."""
    taken: int = 0
    """How many entries were read in all."""

    def list_files(self, uri: str, *, beginning: str = "") -> Iterator[Entry]:
        prefix = (uri + beginning).removeprefix(BASE)
        self.asked.append(f"{prefix}*")
        return self._listed(uri, beginning, deep=True)

    def list_entries(self, uri: str, *, beginning: str = "") -> Iterator[Entry]:
        self.asked.append((uri + beginning).removeprefix(BASE))
        return self._listed(uri, beginning, deep=False)

    def _listed(self, uri: str, beginning: str, *, deep: bool) -> Iterator[Entry]:
        directory, latest = uri.removeprefix(BASE), None
        for key in self.make():
            if not key.startswith(directory + beginning):
                continue
            name, slash, _ = key[len(directory) :].partition("/")
            listed = key if deep else f"{directory}{name}{slash}"
            if listed != latest:
                self.taken += 1
                yield Entry(BASE + listed, len(key) if deep or not slash else 0)
            latest = listed
        if latest is None and directory and not beginning:
            raise DirectoryNotFound(detail=uri)

    @property
    def storage(self) -> Storage:
        """All that listing needs of one."""
        return cast("Storage", self)


def keys(*found: str) -> Keys:
    """A store with these keys, in whatever order they are given."""
    return Keys(lambda: sorted(found))
