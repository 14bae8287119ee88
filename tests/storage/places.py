"""Stores to test, each with a way around our own code to fill it and to look at it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from falconeri.storage import Credentials, Storage
from falconeri.storage.files import FileStorage
from falconeri.storage.gcs import GcsStorage
from falconeri.storage.gcs_client import GcsClient
from falconeri.storage.gcs_client import client_for as gcs_client_for
from falconeri.storage.s3 import S3Storage
from falconeri.storage.s3_client import client_for as s3_client_for
from falconeri.storage.uri import as_directory, parse

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

PART_BYTES = 5 << 20
"""The smallest part that S3 accepts."""

PAGE_SIZE = 3

MOTO_DEFECTS = "\n"
"""Moto finds no route for a key with a line feed."""

REAL = {
    f"real-{scheme}": uri
    for scheme, name in (("s3", "FALCONERI_TEST_S3_URI"), ("gs", "FALCONERI_TEST_GCS_URI"))
    if (uri := os.environ.get(name))
}
"""Directories of real buckets, which the environment has credentials for."""

OF_THIS_MACHINE = Credentials.from_environment()

NOT_IN_REAL_NAMES = "\n\r"
"""Google allows neither in a key."""


@dataclass(frozen=True)
class Place:
    """A store, and an empty directory in it, whose URI ends with `/`."""

    storage: Storage
    base: str
    put: Callable[[str, bytes], object]
    """Write content below `base`."""
    read: Callable[[str], bytes]
    """Read content below `base`."""
    not_in_names: str = ""
    """Characters that this server gets wrong, though the store that it stands for doesn't."""
    is_there: bool = True
    """False: nothing stands for the directory as long as it is empty."""


def file_place(directory: Path) -> Place:
    def put(key: str, content: bytes) -> None:
        path = directory / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    return Place(
        FileStorage(), f"file://{directory}/", put, lambda key: (directory / key).read_bytes()
    )


def s3_place(
    client: S3Client,
    bucket: str,
    prefix: str,
    storage: Storage,
    *,
    not_in_names: str = "",
    keeps_files: bool = False,
) -> Place:
    """Everything lies below a prefix, with neighbours that no test must see.

    Args:
        keeps_files: The server has a file for each key: it knows no markers, and no key that is
            both a file and a directory.
    """
    for key in neighbours(prefix)[2 if keeps_files else 0 :]:
        client.put_object(Bucket=bucket, Key=key, Body=b"not ours")
    return Place(
        storage,
        f"s3://{bucket}/{prefix}",
        lambda key, content: client.put_object(Bucket=bucket, Key=prefix + key, Body=content),
        lambda key: client.get_object(Bucket=bucket, Key=prefix + key)["Body"].read(),
        not_in_names=not_in_names,
        is_there=not keeps_files,
    )


def gcs_place(client: GcsClient, bucket: str, prefix: str, storage: Storage) -> Place:
    """Everything lies below a prefix, with neighbours that no test must see."""

    def put(key: str, content: bytes) -> None:
        client.storage.bucket(bucket).blob(key).upload_from_string(content)

    for key in neighbours(prefix):
        put(key, b"not ours")
    return Place(
        storage,
        f"gs://{bucket}/{prefix}",
        lambda key, content: put(prefix + key, content),
        lambda key: client.storage.bucket(bucket).blob(prefix + key).download_as_bytes(),
        not_in_names=NOT_IN_REAL_NAMES,
    )


def real_place(name: str) -> Place:
    """A directory of its own in a real bucket; what a test leaves there stays."""
    uri = f"{as_directory(REAL[name])}falconeri-test-{uuid4().hex}/in put/"
    place = parse(uri)
    if place.scheme == "s3":
        s3 = S3Storage(OF_THIS_MACHINE, page_size=PAGE_SIZE, part_bytes=PART_BYTES)
        client = s3_client_for(OF_THIS_MACHINE)
        return s3_place(client, place.bucket, place.key, s3)
    gcs = GcsStorage(OF_THIS_MACHINE, page_size=PAGE_SIZE, part_bytes=PART_BYTES)
    return gcs_place(gcs_client_for(OF_THIS_MACHINE), place.bucket, place.key, gcs)


def neighbours(prefix: str) -> list[str]:
    """Keys that begin like a prefix, without what is below it; and its directory marker."""
    return [prefix, prefix.removesuffix("/"), prefix.removesuffix("/") + "-neighbour"]
