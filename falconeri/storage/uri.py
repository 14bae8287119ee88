"""URIs of buckets, directories and files, as text.

They are raw: what follows the bucket is the key, byte for byte. Nothing is percent-encoded or
decoded, so `s3://bucket/50%~#1?.txt` means exactly that key, and `file:///a b` that path.
A URI that ends with `/` is a directory.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from falconeri.errors import InvalidInput

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.ASCII)


@dataclass(frozen=True, slots=True)
class Location:
    """The parts of a URI; `file` has no bucket, and its key is the absolute path."""

    scheme: str
    bucket: str
    key: str


def parse(uri: str) -> Location:
    """Take a URI apart.

    Raises:
        InvalidInput: No scheme, no bucket, or a relative path.
    """
    match = _SCHEME.match(uri)
    if match is None:
        raise InvalidInput("not a storage URI", detail=repr(uri), hint="e.g. s3://bucket/folder/")
    rest = uri[match.end() :]
    if match[1] == "file":
        if not rest.startswith("/"):
            raise InvalidInput(
                "a file URI needs an absolute path", detail=f"{uri!r}, not file:///…"
            )
        return Location("file", "", rest)
    bucket, _, key = rest.partition("/")
    if not bucket:
        raise InvalidInput("a storage URI without a bucket", detail=repr(uri))
    return Location(match[1], bucket, key)


def parse_file(uri: str) -> Location:
    """Take the URI of one file or object apart.

    Raises:
        InvalidInput: As `parse`, or it is a bucket or directory.
    """
    location = parse(uri)
    if not location.key or location.key.endswith("/"):
        raise InvalidInput("a directory where a file is needed", detail=repr(uri))
    return location


def as_directory(uri: str) -> str:
    """Add the `/` at the end if it lacks."""
    return uri if uri.endswith("/") else f"{uri}/"


def join(base: str, relative: str) -> str:
    """Name what is at `relative` below the directory `base`.

    Raises:
        InvalidInput: `relative` has a segment that is empty, `.` or `..`, a NUL, or isn't UTF-8.
    """
    _require_path(relative, relative)
    return as_directory(base) + relative


def relative_path(uri: str, base: str) -> str:
    """Return where `uri` lies below the directory `base`, fit to be a path of local files.

    Raises:
        InvalidInput: It isn't below, or not fit: see `join`; the message names `uri`.
    """
    directory = as_directory(base)
    relative = uri.removeprefix(directory)
    if not uri.startswith(directory):
        raise InvalidInput("not below this directory", detail=f"{uri!r} and {directory!r}")
    _require_path(relative, uri)
    return relative


def require_local(location: Location) -> None:
    """Refuse a `file` location that no path of this machine can mean.

    Raises:
        InvalidInput: A segment that is empty, `.` or `..`, a NUL, or not UTF-8.
    """
    path = location.key
    if location.scheme == "file" and path != "/" and (problem := path_problem(path[1:])):
        raise InvalidInput("this path can't be used", detail=f"{path!r} has {problem}")


def _require_path(relative: str, name: str) -> None:
    """Refuse what would leave its directory, or would meet another key at the same path."""
    if problem := path_problem(relative):
        raise InvalidInput("this name can't be a local path", detail=f"{name!r} has {problem}")


def path_problem(relative: str) -> str | None:
    """Say why a relative path (a directory's may end with `/`) is unfit, or None."""
    segments = relative.removesuffix("/").split("/")
    if "" in segments:
        return "an empty segment"
    if dots := {".", ".."}.intersection(segments):
        return f"the segment {min(dots)!r}"
    if "\0" in relative:
        return "a NUL"
    try:
        relative.encode()
    except UnicodeEncodeError:
        return "bytes that aren't UTF-8"
    return None
