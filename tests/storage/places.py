"""Stores to test, each with a way around our own code to fill it and to look at it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from falconeri.storage import Storage
from falconeri.storage.files import FileStorage
from falconeri.storage.s3 import S3Storage

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

PART_BYTES = 5 << 20
"""The smallest part that S3 accepts."""

PAGE_SIZE = 3

MOTO_DEFECTS = "\n"
"""Moto finds no route for a key with a line feed."""


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


def file_place(directory: Path) -> Place:
    def put(key: str, content: bytes) -> None:
        path = directory / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    return Place(
        FileStorage(), f"file://{directory}/", put, lambda key: (directory / key).read_bytes()
    )


def s3_place(client: S3Client, bucket: str, storage: S3Storage) -> Place:
    """Everything lies below a prefix, with neighbours that no test must see."""
    client.create_bucket(Bucket=bucket)
    prefix = "in put/"
    client.put_object(Bucket=bucket, Key=prefix)
    client.put_object(Bucket=bucket, Key="in put-neighbour", Body=b"not ours")
    client.put_object(Bucket=bucket, Key="in put", Body=b"not ours")
    return Place(
        storage,
        f"s3://{bucket}/{prefix}",
        lambda key, content: client.put_object(Bucket=bucket, Key=prefix + key, Body=content),
        lambda key: client.get_object(Bucket=bucket, Key=prefix + key)["Body"].read(),
        not_in_names=MOTO_DEFECTS,
    )
