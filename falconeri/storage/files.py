"""The store `file://`: directories of this machine.

Symbolic links are followed. What has no content to copy (pipes, sockets, devices), broken links and
links that lead back to a directory above them are refused by name.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from falconeri.errors import (
    DirectoryNotFound,
    InvalidInput,
    ObjectNotFound,
    StorageDenied,
    StorageError,
    TransferFailed,
)
from falconeri.storage.atomic import PARTIAL, local_errors, partials, replacing, unchanging
from falconeri.storage.base import Entry, Stored
from falconeri.storage.contents import require_room
from falconeri.storage.trees import download_tree
from falconeri.storage.uri import (
    Location,
    as_directory,
    parse,
    parse_file,
    path_problem,
    require_local,
)
from falconeri.storage.wanted import go_on

_CHUNK_BYTES = 1 << 20

_Identity = tuple[int, int]


class FileStorage:
    """See `falconeri.storage.base.Storage`. Half-written files (`atomic.PARTIAL`) aren't listed."""

    def list_entries(self, uri: str, *, beginning: str = "") -> Iterator[Entry]:
        """List one directory."""
        yield from _directory(as_directory(uri), beginning)

    def list_files(self, uri: str, *, beginning: str = "") -> Iterator[Entry]:
        """List all files below a directory."""
        top = as_directory(uri)
        entries = _directory(top, beginning)
        # One level of the walk each: what is left of a directory, and which directory it is.
        levels: list[tuple[Iterator[Entry], _Identity]] = [(entries, _identity(top))]
        while levels:
            entry = next(levels[-1][0], None)
            if entry is None:
                levels.pop()
            elif not entry.is_directory:
                yield entry
            else:
                identity = _identity(entry.uri)
                if any(identity == above for _, above in levels):
                    raise StorageError("a link to a directory above it", detail=entry.uri)
                levels.append((_directory(entry.uri), identity))

    def stat(self, uri: str) -> Stored:
        """Read the whole file, for its checksum."""
        path = _path(parse_file(uri))
        with _errors(uri):
            _require_regular(uri, path.stat())
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256")
                return Stored(file.tell(), f"sha256:{digest.hexdigest()}")

    def download(self, uri: str, path: Path) -> int:
        """Copy: the program may change its inputs, so they are never links to the originals."""
        if uri.endswith("/"):
            return download_tree(self.list_files(uri), uri, path, _fetch)
        return _fetch(uri, path)

    def upload(self, path: Path, uri: str) -> Stored:
        """Copy, and have it on the disk before it gets its name."""
        target = _path(parse_file(uri))
        with unchanging(path) as size_bytes, _errors(uri), replacing(target) as temporary:
            checksum = _copy_durably(path, temporary)
        with _errors(uri):
            _sync_directory(target.parent)
        return Stored(size_bytes, f"sha256:{checksum}")

    def delete(self, uri: str) -> None:
        """Unlink, also what a killed writer has left of it; directories stay."""
        path = _path(parse_file(uri))
        with _errors(uri), contextlib.suppress(FileNotFoundError, NotADirectoryError):
            for partial in partials(path):
                partial.unlink(missing_ok=True)
            path.unlink()


def _directory(uri: str, beginning: str = "") -> Iterator[Entry]:
    """Yield the entries of one directory in the order that their full keys have."""
    path = _path(parse(uri))
    with _errors(uri), os.scandir(path) as found:
        entries = [
            _entry(uri, child)
            for child in found
            if child.name.startswith(beginning) and not PARTIAL.fullmatch(child.name)
        ]
    yield from sorted(entries, key=lambda entry: entry.uri)  # by code points is by UTF-8 bytes


def _entry(uri: str, child: os.DirEntry[str]) -> Entry:
    name = f"{uri}{child.name}"
    if problem := path_problem(child.name):
        raise InvalidInput("a file name that can't be used", detail=f"{name!r} has {problem}")
    with _errors(name):
        status = child.stat()
    if S_ISDIR(status.st_mode):
        return Entry(f"{name}/", 0)
    _require_regular(name, status)
    return Entry(name, status.st_size)


def _fetch(uri: str, path: Path) -> int:
    source = _path(parse_file(uri))
    with _errors(uri):
        expected = source.stat()
    _require_regular(uri, expected)
    with local_errors(path), replacing(path) as temporary:
        require_room(path.parent, expected.st_size, uri)
        with _errors(uri):
            _copy(source, temporary)
        size_bytes = temporary.stat().st_size
        if size_bytes != expected.st_size:
            problem = f"{uri}: {expected.st_size} bytes, of which {size_bytes} came"
            raise TransferFailed("the file changed while it was read", detail=problem)
    return size_bytes


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as file, target.open("wb") as copy:
        while chunk := file.read(_CHUNK_BYTES):
            go_on()
            copy.write(chunk)


def _copy_durably(source: Path, target: Path) -> str:
    """Copy, wait for the disk, and return the SHA-256 of what was written."""
    digest = hashlib.sha256()
    with local_errors(source):
        file = source.open("rb")
    with file, target.open("xb") as copy:
        while chunk := file.read(_CHUNK_BYTES):
            go_on()
            digest.update(chunk)
            copy.write(chunk)
        copy.flush()
        os.fsync(copy.fileno())
    return digest.hexdigest()


def _sync_directory(directory: Path) -> None:
    """Have the new name on the disk too."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _path(location: Location) -> Path:
    require_local(location)
    return Path(location.key)


def _identity(uri: str) -> _Identity:
    with _errors(uri):
        status = _path(parse(uri)).stat()
    return status.st_dev, status.st_ino


def _require_regular(uri: str, status: os.stat_result) -> None:
    if S_ISDIR(status.st_mode):
        raise ObjectNotFound("a directory, not a file", detail=uri, hint="its URI ends with /")
    if not S_ISREG(status.st_mode):
        raise StorageError("neither a file nor a directory", detail=uri)


@contextmanager
def _errors(uri: str) -> Generator[None]:
    """Turn what the file system says about a stored file into an error that names its URI."""
    not_found = DirectoryNotFound if uri.endswith("/") else ObjectNotFound
    try:
        yield
    except FileNotFoundError as ex:
        raise not_found("no such file or directory", detail=uri) from ex
    except NotADirectoryError as ex:
        raise not_found("not a directory", detail=uri) from ex
    except PermissionError as ex:
        hint = f"may user {os.geteuid()} do this with it and the directories above it?"
        raise StorageDenied(detail=uri, hint=hint) from ex
    except OSError as ex:
        if ex.errno == errno.ENAMETOOLONG:
            raise ObjectNotFound("no file can have so long a name", detail=uri) from ex
        raise StorageError(detail=f"{uri}: {ex.strerror or ex}") from ex
