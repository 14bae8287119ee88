"""The store `s3://`: Amazon's S3, and every store that speaks like it.

Credentials and endpoint are what other programs understand by the `AWS_*` variables: see
`falconeri.storage.s3_client`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from falconeri.errors import DirectoryNotFound, ObjectNotFound
from falconeri.storage.atomic import unchanging
from falconeri.storage.base import Credentials, Entry, Stored
from falconeri.storage.contents import Answer, fetch
from falconeri.storage.parts import Part
from falconeri.storage.s3_client import client_for
from falconeri.storage.s3_errors import name_of, s3_errors
from falconeri.storage.s3_uploads import Target, abort_abandoned, expected_of, put, put_parts
from falconeri.storage.trees import download_tree
from falconeri.storage.uri import Location, as_directory, parse, parse_file

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import GetObjectRequestTypeDef, ListObjectsV2OutputTypeDef

_MB = 1 << 20


class S3Storage:
    """See `falconeri.storage.base.Storage`.

    Args:
        credentials: The client made from them is shared by all storages of this process.
        page_size: Keys asked for in one request when listing, ≤ 1000.
        part_bytes: Bigger files than two of these are moved in parts, ≥ 5 MiB for Amazon's S3.
    """

    def __init__(
        self, credentials: Credentials, *, page_size: int = 1000, part_bytes: int = 16 * _MB
    ) -> None:
        self._credentials = credentials
        self._client = client_for(credentials)
        self._page_size = page_size
        self._part_bytes = part_bytes

    def list_entries(self, uri: str, *, beginning: str = "") -> Iterator[Entry]:
        """List what is below a prefix up to the next `/`."""
        place = parse(as_directory(uri))
        for page in self._pages(place, beginning, delimiter="/"):
            directories = (prefix.get("Prefix", "") for prefix in page.get("CommonPrefixes", []))
            entries = [Entry(_uri(place, key), 0) for key in directories]
            entries += _files(place, page)
            yield from sorted(entries, key=lambda entry: entry.uri)

    def list_files(self, uri: str, *, beginning: str = "") -> Iterator[Entry]:
        """List the objects below a prefix."""
        place = parse(as_directory(uri))
        for page in self._pages(place, beginning, delimiter=""):
            yield from _files(place, page)

    def stat(self, uri: str) -> Stored:
        """Ask for the object's head."""
        place = parse_file(uri)
        with s3_errors(uri, self._credentials):
            head = self._client.head_object(Bucket=place.bucket, Key=place.key)
        return Stored(head["ContentLength"], _checksum(head["ETag"]))

    def download(self, uri: str, path: Path) -> int:
        """Fetch an object, or all below a prefix."""
        if uri.endswith("/"):
            return download_tree(self.list_files(uri), uri, path, self._fetch)
        return self._fetch(uri, path)

    def upload(self, path: Path, uri: str) -> Stored:
        """Put a file, in parts if it is big; botocore adds checksums for the way."""
        target = Target(self._client, self._credentials, parse_file(uri))
        with unchanging(path) as size_bytes, s3_errors(uri, self._credentials):
            if size_bytes < 2 * self._part_bytes:
                etag = put(target, path, size_bytes)
            else:
                etag = put_parts(target, path, size_bytes, self._part_bytes)
        return Stored(size_bytes, _checksum(etag))

    def delete(self, uri: str) -> None:
        """Delete an object, also what a killed upload has left of its parts."""
        place = parse_file(uri)
        try:
            with s3_errors(uri, self._credentials):
                abort_abandoned(Target(self._client, self._credentials, place))
                self._client.delete_object(Bucket=place.bucket, Key=place.key)
        except ObjectNotFound:
            return  # S3 itself is silent about a missing key; this was the bucket

    def _pages(
        self, place: Location, beginning: str, *, delimiter: str
    ) -> Iterator[ListObjectsV2OutputTypeDef]:
        """Yield pages of a listing; that of a whole directory, but the root, is not empty."""
        uri = _uri(place, place.key)
        empty = True
        pages = iter(
            self._client.get_paginator("list_objects_v2").paginate(
                Bucket=place.bucket,
                Prefix=place.key + beginning,
                Delimiter=delimiter,
                PaginationConfig={"PageSize": self._page_size},
            )
        )
        while True:
            with s3_errors(uri, self._credentials):
                page = next(pages, None)
            if page is None:
                break
            empty = empty and not page.get("Contents") and not page.get("CommonPrefixes")
            yield page
        if empty and place.key and not beginning:
            raise DirectoryNotFound(detail=uri, hint="no key begins with this")

    def _fetch(self, uri: str, path: Path) -> int:
        source = _Object(self._client, self._credentials, uri, parse_file(uri))
        return fetch(source, path, part_bytes=self._part_bytes)


@dataclass(frozen=True)
class _Object:
    """A `falconeri.storage.contents.Source`."""

    client: S3Client
    credentials: Credentials
    uri: str
    place: Location

    @property
    def name(self) -> str:
        return name_of(self.uri, self.credentials)

    @contextmanager
    def open(self, part: Part | None = None, version: str | None = None) -> Generator[Answer]:
        """Ask for the object; the version is its ETag."""
        asked: GetObjectRequestTypeDef = {"Bucket": self.place.bucket, "Key": self.place.key}
        if part is not None:
            asked["Range"] = f"bytes={part.offset}-{part.last}"
        if version is not None:
            asked["IfMatch"] = version
        with s3_errors(self.uri, self.credentials):
            answer = self.client.get_object(**asked)
            # Not `with body`: that gives the stream beneath, which doesn't check the length.
            with closing(answer["Body"]) as body:
                yield Answer(
                    answer["ContentLength"], expected_of(answer), answer["ETag"], body.read
                )


def _files(place: Location, page: ListObjectsV2OutputTypeDef) -> list[Entry]:
    """Return the objects of a page that aren't directory markers."""
    return [
        Entry(_uri(place, key), found.get("Size", 0))
        for found in page.get("Contents", [])
        if not (key := found.get("Key", "")).endswith("/")
    ]


def _uri(place: Location, key: str) -> str:
    return f"{place.scheme}://{place.bucket}/{key}"


def _checksum(etag: str) -> str:
    return "etag:" + etag.strip('"')
