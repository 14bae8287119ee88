"""The store `gs://`: Google Cloud Storage, through Google's own client.

Credentials and endpoint: see `falconeri.storage.gcs_client`. A big upload is a resumable one:
nothing of it is ever visible or paid for before its last byte, so a killed one leaves nothing to
clean up. Downloads ask for the object as it is stored, compressed or not.
"""

from __future__ import annotations

import os
from base64 import b64decode
from collections.abc import Generator, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any
from urllib.parse import quote

import requests
from google.api_core import exceptions as google_exceptions
from google.api_core.retry import Retry
from google.cloud.storage.retry import DEFAULT_RETRY  # pyright: ignore[reportMissingTypeStubs]

from falconeri.errors import (
    DirectoryNotFound,
    InvalidInput,
    ObjectNotFound,
    TransferFailed,
)
from falconeri.storage.atomic import local_errors, unchanging
from falconeri.storage.base import Credentials, Entry, Stored
from falconeri.storage.checksums import CRC32C, Expected
from falconeri.storage.contents import Answer, again, fetch
from falconeri.storage.gcs_client import GcsClient, client_for
from falconeri.storage.gcs_errors import gcs_errors, name_of
from falconeri.storage.parts import Part, PartReader, opened
from falconeri.storage.trees import download_tree
from falconeri.storage.uri import Location, as_directory, parse, parse_file

_MB = 1 << 20
_TIMEOUT_S = (5, 60)  # to connect, to read
_PATIENCE_S = 30.0
_FIELDS = "items(name,size),prefixes,nextPageToken"

_UPLOADS_IN_MEMORY = BoundedSemaphore(4)
"""Google's client holds what it sends by one request: twice 8 MiB at most."""
_SMALL_BYTES = _MB


class GcsStorage:
    """See `falconeri.storage.base.Storage`.

    Args:
        credentials: The client made from them is shared by all storages of this process.
        page_size: Keys asked for in one request when listing, ≤ 1000.
        part_bytes: Bigger objects than two of these come in parts; a multiple of 256 KiB.
        patience_s: How long one request is tried again that can't be answered for the moment.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        page_size: int = 1000,
        part_bytes: int = 8 * _MB,
        patience_s: float = _PATIENCE_S,
    ) -> None:
        self._credentials = credentials
        self._client = client_for(credentials)
        self._page_size = page_size
        self._part_bytes = part_bytes
        self._retry = DEFAULT_RETRY.with_delay(initial=0.2, maximum=5).with_timeout(patience_s)

    def list_entries(self, uri: str, *, beginning: str = "") -> Iterator[Entry]:
        """List what is below a prefix up to the next `/`."""
        place = parse(as_directory(uri))
        for blobs, prefixes in self._pages(place, beginning, delimiter="/"):
            entries = [Entry(_uri(place, key), 0) for key in prefixes]
            entries += _files(place, blobs)
            yield from sorted(entries, key=lambda entry: entry.uri)

    def list_files(self, uri: str, *, beginning: str = "") -> Iterator[Entry]:
        """List the objects below a prefix."""
        place = parse(as_directory(uri))
        for blobs, _ in self._pages(place, beginning, delimiter=None):
            yield from _files(place, blobs)

    def stat(self, uri: str) -> Stored:
        """Ask for the object's metadata."""
        blob = self._blob(uri)
        with gcs_errors(uri, self._credentials):
            blob.reload(timeout=_TIMEOUT_S, retry=self._retry)
        return _stored(blob)

    def download(self, uri: str, path: Path) -> int:
        """Fetch an object, or all below a prefix."""
        if uri.endswith("/"):
            return download_tree(self.list_files(uri), uri, path, self._fetch)
        return self._fetch(uri, path)

    def upload(self, path: Path, uri: str) -> Stored:
        """Send a file; Google compares its CRC32C with the one that was sent along."""
        blob = self._blob(uri)
        with unchanging(path) as size_bytes:
            in_memory = _UPLOADS_IN_MEMORY if size_bytes > _SMALL_BYTES else nullcontext()
            with in_memory:
                again(partial(self._send, blob, path, uri, size_bytes))
        stored = _stored(blob)
        if stored.size_bytes != size_bytes:
            problem = f"{uri}: {stored.size_bytes} of {size_bytes} bytes"
            raise TransferFailed("not everything was stored", detail=problem)
        return stored

    def delete(self, uri: str) -> None:
        """Delete an object."""
        blob = self._blob(uri)
        try:
            with gcs_errors(uri, self._credentials):
                blob.delete(timeout=_TIMEOUT_S, retry=self._retry)
        except ObjectNotFound:
            return

    def _blob(self, uri: str) -> Any:  # noqa: ANN401 (Google's client has no types)
        place = parse_file(uri)
        return self._bucket(place).blob(place.key, chunk_size=self._part_bytes)

    def _bucket(self, place: Location) -> Any:  # noqa: ANN401
        try:
            return self._client.storage.bucket(place.bucket)
        except ValueError as ex:
            problem = f"{place.scheme}://{place.bucket}: {ex}"
            raise InvalidInput("a bucket that Google can't have", detail=problem) from ex

    def _pages(
        self, place: Location, beginning: str, *, delimiter: str | None
    ) -> Iterator[tuple[list[Any], tuple[str, ...]]]:
        """Yield pages of a listing; that of a whole directory must not be empty."""
        uri = _uri(place, place.key)
        listing = self._client.storage.list_blobs(
            self._bucket(place),
            prefix=(place.key + beginning) or None,
            delimiter=delimiter,
            page_size=self._page_size,
            fields=_FIELDS,
            timeout=_TIMEOUT_S,
            retry=self._retry,
        )
        pages = iter(listing.pages)
        empty = True
        while True:
            with gcs_errors(uri, self._credentials):
                page = next(pages, None)
            if page is None:
                break
            blobs = list(page)
            prefixes = tuple(page.prefixes)
            empty = empty and not blobs and not prefixes
            yield blobs, prefixes
        if empty and place.key and not beginning:
            raise DirectoryNotFound(detail=uri, hint="no key begins with this")

    def _fetch(self, uri: str, path: Path) -> int:
        place = parse_file(uri)
        self._bucket(place)
        source = _Object(self._client, self._credentials, self._retry, uri, place)
        return fetch(source, path, part_bytes=self._part_bytes)

    def _send(self, blob: Any, path: Path, uri: str, size_bytes: int) -> None:  # noqa: ANN401
        with local_errors(path), opened(path, os.O_RDONLY) as descriptor:
            file = PartReader(descriptor, Part(1, 0, size_bytes))
            with gcs_errors(uri, self._credentials):
                blob.upload_from_file(
                    file, size=size_bytes, checksum="crc32c", timeout=_TIMEOUT_S, retry=self._retry
                )


@dataclass(frozen=True)
class _Object:
    """A `falconeri.storage.contents.Source`."""

    client: GcsClient
    credentials: Credentials
    retry: Retry
    uri: str
    place: Location

    @property
    def name(self) -> str:
        return name_of(self.uri, self.credentials)

    @contextmanager
    def open(self, part: Part | None = None, version: str | None = None) -> Generator[Answer]:
        """Ask for the object as it is stored; the version is its generation."""
        with (
            gcs_errors(self.uri, self.credentials),
            self.retry(self._ask)(part, version) as answer,
        ):
            yield Answer(
                int(answer.headers["Content-Length"]),
                _expected(answer.headers.get("X-Goog-Hash", "")),
                answer.headers.get("X-Goog-Generation", ""),
                partial(answer.raw.read, decode_content=False),
            )

    def _ask(self, part: Part | None, version: str | None) -> requests.Response:
        path = f"b/{quote(self.place.bucket, safe='')}/o/{quote(self.place.key, safe='')}"
        # A compressed object is not unpacked on the way if it could be understood as it is.
        headers = {"Accept-Encoding": "gzip"}
        if part is not None:
            headers["Range"] = f"bytes={part.offset}-{part.last}"
        answer = self.client.session.get(
            f"{self.client.endpoint}/download/storage/v1/{path}",
            params={"alt": "media"} | ({"ifGenerationMatch": version} if version else {}),
            headers=headers,
            stream=True,
            timeout=_TIMEOUT_S,
        )
        if not answer.ok:
            with answer:
                raise google_exceptions.from_http_response(answer)  # pyright: ignore[reportUnknownMemberType]
        return answer


def _files(place: Location, blobs: list[Any]) -> list[Entry]:
    """Return the objects of a page that aren't directory markers."""
    return [
        Entry(_uri(place, blob.name), blob.size) for blob in blobs if not blob.name.endswith("/")
    ]


def _uri(place: Location, key: str) -> str:
    return f"{place.scheme}://{place.bucket}/{key}"


def _stored(blob: Any) -> Stored:  # noqa: ANN401
    return Stored(blob.size, f"crc32c:{b64decode(blob.crc32c).hex()}")


def _expected(hashes: str) -> Expected:
    """Read the header `X-Goog-Hash`: `crc32c=…,md5=…`, in Base64."""
    for each in hashes.split(","):
        kind, _, value = each.strip().partition("=")
        if kind == "crc32c":
            return Expected(CRC32C, int.from_bytes(b64decode(value), "big"))
    return Expected()
