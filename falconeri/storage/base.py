"""What every store can do, and the words for it.

Called by the pipeline (listing), the worker (both transfers) and the babysitter (deletion). Knows
nothing of any store: each has a module of its own, chosen by `open_storage`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, final

_PREFIXES = ("AWS_", "GOOGLE_")
_OTHERS = ("SERVICE_ACCOUNT", "STORAGE_EMULATOR_HOST")

_IDENTITIES = (
    ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"),
    (
        *("GOOGLE_SERVICE_ACCOUNT_KEY", "GOOGLE_SERVICE_ACCOUNT", "SERVICE_ACCOUNT"),
        *("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SKIP_SIGNATURE"),
    ),
)
"""Settings that say together who we are: of two sources they are never mixed."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, or (its `uri` ends with `/`) a directory, of which `size_bytes` is 0."""

    uri: str
    size_bytes: int

    @property
    def is_directory(self) -> bool:
        """Whether this stands for everything below it."""
        return self.uri.endswith("/")


@dataclass(frozen=True, slots=True)
class Stored:
    """What a store now holds.

    `checksum` says its own kind: `sha256:<hex>` or `crc32c:<hex>` of the content, or `etag:<text>`,
    which is the store's and equal for equal content sent in the same way.
    """

    size_bytes: int
    checksum: str


@final
class Credentials:
    """The settings of stores (`AWS_*`, `GOOGLE_*` and two more) for one access; never shown.

    Args:
        values: Other names and empty values are dropped.
        origin: Where a person would change them; error messages say it.
    """

    __slots__ = ("_values", "origin")

    def __init__(self, values: Mapping[str, str], *, origin: str = "the environment") -> None:
        self._values = {
            name: value
            for name, value in values.items()
            if value and (name.startswith(_PREFIXES) or name in _OTHERS)
        }
        self.origin = origin

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Credentials:
        """Take those of this process."""
        return cls(os.environ if environment is None else environment)

    @classmethod
    def from_secret(
        cls, name: str, keys: Mapping[str, str], *, base: Credentials | None = None
    ) -> Credentials:
        """Take the keys of a cluster's secret, and what they leave open from `base`.

        Who we are is taken whole: no session token of `base` is mixed with a key of the secret.
        """
        own = cls(keys, origin=f"the secret {name!r}")
        inherited = base.settings() if base else {}
        for identity in _IDENTITIES:
            if own.get(*identity):
                for part in identity:
                    inherited.pop(part, None)
        return cls({**inherited, **own.settings()}, origin=own.origin)

    def settings(self) -> dict[str, str]:
        """Return all of them, in the clear."""
        return dict(self._values)

    def get(self, *names: str) -> str | None:
        """Return the value of the first name that has one."""
        return next((self._values[name] for name in names if name in self._values), None)

    def enabled(self, name: str) -> bool:
        """Return whether a switch is set to `true` or `1`."""
        return self._values.get(name, "").lower() in {"true", "1"}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Credentials):
            return NotImplemented
        return self._values == other._values and self.origin == other.origin

    def __hash__(self) -> int:
        return hash((frozenset(self._values.items()), self.origin))

    def __repr__(self) -> str:
        return f"Credentials({', '.join(sorted(self._values))} of {self.origin})"


class Storage(Protocol):
    """One kind of store, reached with one set of credentials; threads may share it.

    URIs are raw (`falconeri.storage.uri`). Listings are in the order of the keys' UTF-8 bytes, need
    memory for one page (`file`: one directory), keep empty files and leave out directory markers
    (objects whose key ends with `/`); a directory that only a marker stands for is an empty one.
    A listing's errors are raised while it is read. A transfer ends half-way when it is no longer
    wanted: see `falconeri.storage.wanted`.

    Raises:
        ObjectNotFound: No such bucket, directory or object. Listing a directory that isn't there,
            though the bucket is, raises `DirectoryNotFound`, whose detail is its URI.
        StorageDenied: The store refuses these credentials, or there are none.
        StorageError: Anything else that the store did, or that it can't be reached.
        InvalidInput: A URI that names nothing, or a key that can't become a local path.
    """

    def list_entries(self, uri: str, *, beginning: str = "") -> Iterator[Entry]:
        """List the files and directories directly below `uri`, a directory (its `/` may lack).

        Args:
            beginning: Only those whose names begin so, and the store is asked for no others; where
                nothing does it may be no error that the directory isn't there. Without a `/`.
        """
        ...

    def list_files(self, uri: str, *, beginning: str = "") -> Iterator[Entry]:
        """List the files below `uri` at any depth.

        Args:
            beginning: Only what lies in entries of `uri` whose names begin so, as above.
        """
        ...

    def stat(self, uri: str) -> Stored:
        """Say what a file is: the checksum is what `upload` has said (`file`: by reading it)."""
        ...

    def download(self, uri: str, path: Path) -> int:
        """Fetch a file to `path`, or (`uri` ends with `/`) a tree into the directory `path`.

        Parents are made, files are replaced, and none is seen under its name before it is whole.

        Returns:
            The number of bytes.

        Raises:
            TransferFailed: Bytes were lost on the way, or could not be written.
        """
        ...

    def upload(self, path: Path, uri: str) -> Stored:
        """Store the file `path` as `uri`, replacing what was there, when all of it has arrived.

        Raises:
            TransferFailed: Bytes were lost on the way, or `path` changed meanwhile.
        """
        ...

    def delete(self, uri: str) -> None:
        """Remove one file; fine if there is none."""
        ...
