"""The store `s3://`: Amazon's S3, and every store that speaks like it.

Credentials and endpoint are what other programs understand by the `AWS_*` variables: see
`falconeri.storage.s3_client`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from s3transfer.manager import TransferConfig, TransferManager

from falconeri.errors import ObjectNotFound, TransferFailed
from falconeri.storage.atomic import local_errors, replacing, unchanging
from falconeri.storage.base import Credentials, Entry, Stored
from falconeri.storage.s3_client import PART_THREADS, client_for
from falconeri.storage.s3_errors import DAMAGED, s3_errors
from falconeri.storage.trees import download_tree
from falconeri.storage.uri import Location, as_directory, parse, parse_file

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import ListObjectsV2OutputTypeDef

_MB = 1 << 20
_CHUNK_BYTES = _MB
_TRIES = 5
"""How often a content is fetched that is damaged on its way."""


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
        self._parts = TransferConfig(
            multipart_threshold=2 * part_bytes,
            multipart_chunksize=part_bytes,
            max_request_concurrency=PART_THREADS,
            num_download_attempts=_TRIES,
        )

    def list_entries(self, uri: str) -> Iterator[Entry]:
        """List what is below a prefix up to the next `/`."""
        place = parse(as_directory(uri))
        for page in self._pages(place, delimiter="/"):
            directories = (prefix.get("Prefix", "") for prefix in page.get("CommonPrefixes", []))
            entries = [Entry(_uri(place, key), 0) for key in directories]
            entries += _files(place, page)
            yield from sorted(entries, key=lambda entry: entry.uri)

    def list_files(self, uri: str) -> Iterator[Entry]:
        """List the objects below a prefix."""
        place = parse(as_directory(uri))
        for page in self._pages(place, delimiter=""):
            yield from _files(place, page)

    def exists(self, uri: str) -> bool:
        """Ask for the object's head, or for one key of the directory."""
        place = parse(uri)
        try:
            with s3_errors(uri, self._credentials):
                if not place.key or place.key.endswith("/"):
                    found = self._client.list_objects_v2(
                        Bucket=place.bucket, Prefix=place.key, MaxKeys=1
                    )
                    return found["KeyCount"] > 0 or not place.key
                self._client.head_object(Bucket=place.bucket, Key=place.key)
        except ObjectNotFound:
            return False
        return True

    def download(self, uri: str, path: Path) -> int:
        """Fetch an object, or all below a prefix."""
        if uri.endswith("/"):
            return download_tree(self.list_files(uri), uri, path, self._fetch)
        return self._fetch(uri, path)

    def upload(self, path: Path, uri: str) -> Stored:
        """Put a file, in parts if it is big; botocore adds checksums for the way."""
        place = parse_file(uri)
        with unchanging(path) as size_bytes, s3_errors(uri, self._credentials):
            if size_bytes < self._parts.multipart_threshold:
                etag = self._put(path, place)
            else:
                etag = self._put_parts(path, place, size_bytes)
        return Stored(size_bytes, "etag:" + etag.strip('"'))

    def delete(self, uri: str) -> None:
        """Delete an object."""
        place = parse_file(uri)
        try:
            with s3_errors(uri, self._credentials):
                self._client.delete_object(Bucket=place.bucket, Key=place.key)
        except ObjectNotFound:
            return  # S3 itself is silent about a missing key; this was the bucket

    def _pages(self, place: Location, *, delimiter: str) -> Iterator[ListObjectsV2OutputTypeDef]:
        """Yield pages of a listing, of which at least one is not empty, except at the root."""
        uri = _uri(place, place.key)
        empty = True
        pages = iter(
            self._client.get_paginator("list_objects_v2").paginate(
                Bucket=place.bucket,
                Prefix=place.key,
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
        if empty and place.key:
            raise ObjectNotFound(detail=uri, hint="no key begins with this")

    def _fetch(self, uri: str, path: Path) -> int:
        place = parse_file(uri)
        failures = 0
        with local_errors(path), replacing(path) as temporary, s3_errors(uri, self._credentials):
            while True:
                try:
                    return self._get(place, temporary)
                except DAMAGED:
                    failures += 1
                    if failures == _TRIES:
                        raise

    def _get(self, place: Location, path: Path) -> int:
        """Fetch in one request, or in parts if the answer turns out to be big."""
        answer = self._client.get_object(Bucket=place.bucket, Key=place.key)
        size_bytes = answer["ContentLength"]
        # Not `with body`: that gives the stream beneath, which checks neither length nor checksum.
        with closing(answer["Body"]) as body:
            if size_bytes < self._parts.multipart_threshold:
                with path.open("wb") as file:
                    shutil.copyfileobj(body, file, _CHUNK_BYTES)
                    return file.tell()
        with TransferManager(self._client, self._parts) as manager:
            future = manager.download(place.bucket, place.key, str(path))
            future.result()
        return path.stat().st_size

    def _put(self, path: Path, place: Location) -> str:
        with local_errors(path):
            file = path.open("rb")
        with file:
            return self._client.put_object(Bucket=place.bucket, Key=place.key, Body=file)["ETag"]

    def _put_parts(self, path: Path, place: Location, size_bytes: int) -> str:
        with TransferManager(self._client, self._parts) as manager:
            manager.upload(str(path), place.bucket, place.key).result()
        stored = self._client.head_object(Bucket=place.bucket, Key=place.key)
        if stored["ContentLength"] != size_bytes:
            problem = f"{_uri(place, place.key)}: {stored['ContentLength']} of {size_bytes} bytes"
            raise TransferFailed("not everything was stored", detail=problem)
        return stored["ETag"]


def _files(place: Location, page: ListObjectsV2OutputTypeDef) -> list[Entry]:
    """Return the objects of a page that aren't directory markers."""
    return [
        Entry(_uri(place, key), found.get("Size", 0))
        for found in page.get("Contents", [])
        if not (key := found.get("Key", "")).endswith("/")
    ]


def _uri(place: Location, key: str) -> str:
    return f"{place.scheme}://{place.bucket}/{key}"
