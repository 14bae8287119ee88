"""The same transfer by plain boto3, with as many threads and parts as large.

Called by `measure`, in a process of its own: `python -m … [--compare] WHAT URI PATH`. To compare is
what falconeri and rclone do where a store answers with no checksum but an ETag that is the MD5:
what is here must have that, too.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from hashlib import file_digest, md5
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

from benchmarks.stores.measure import FILES_AT_ONCE, PART_BYTES, PARTS_AT_ONCE

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


def main(what: str, uri: str, name: str, *, compare: bool = False) -> None:
    """Move a file, or (the URI ends with `/`) a directory of files."""
    session = boto3.session.Session()
    s3 = session.client(  # pyright: ignore[reportUnknownMemberType]
        "s3",
        endpoint_url=os.environ["AWS_ENDPOINT_URL"],
        region_name="us-east-1",
        config=Config(max_pool_connections=FILES_AT_ONCE, s3={"addressing_style": "path"}),
    )
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    mover = _Mover(s3, bucket, key, Path(name), compare)
    if uri.endswith("/"):
        mover.move_files(what)
    else:
        mover.move_file(what)


class _Mover(NamedTuple):
    s3: S3Client
    bucket: str
    key: str
    path: Path
    compare: bool

    def move_file(self, what: str) -> None:
        """The whole of it; `what` is `down` or `up`."""
        parts = TransferConfig(
            multipart_threshold=2 * PART_BYTES,
            multipart_chunksize=PART_BYTES,
            max_concurrency=PARTS_AT_ONCE,
        )
        if what == "down":
            self.s3.download_file(self.bucket, self.key, str(self.path), Config=parts)
        else:
            self.s3.upload_file(str(self.path), self.bucket, self.key, Config=parts)
        if self.compare:
            etag = self.s3.head_object(Bucket=self.bucket, Key=self.key)["ETag"]
            _require_same(
                etag, _md5_of_parts(self.path) if "-" in etag else _md5_of_file(self.path)
            )

    def move_files(self, what: str) -> None:
        """All that have this prefix, or are in this directory."""
        with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
            if what == "down":
                self.path.mkdir()
                pages = self.s3.get_paginator("list_objects_v2").paginate(
                    Bucket=self.bucket, Prefix=self.key
                )
                keys = [each.get("Key", "") for page in pages for each in page.get("Contents", [])]
                list(pool.map(self._download, keys))
            else:
                list(pool.map(self._upload, self.path.iterdir()))

    def _download(self, key: str) -> None:
        answer = self.s3.get_object(Bucket=self.bucket, Key=key)
        content = answer["Body"].read()
        (self.path / key.removeprefix(self.key)).write_bytes(content)
        self._check(answer["ETag"], content)

    def _upload(self, file: Path) -> None:
        content = file.read_bytes()
        answer = self.s3.put_object(Bucket=self.bucket, Key=self.key + file.name, Body=content)
        self._check(answer["ETag"], content)

    def _check(self, etag: str, content: bytes) -> None:
        if self.compare:
            _require_same(etag, md5(content, usedforsecurity=False).hexdigest())


def _require_same(etag: str, digest: str) -> None:
    if digest != etag.strip('"'):
        raise ValueError(f"the MD5 is {digest}, and the ETag {etag}")


def _md5_of_file(path: Path) -> str:
    with path.open("rb") as opened:
        return file_digest(opened, lambda: md5(usedforsecurity=False)).hexdigest()


def _md5_of_parts(path: Path) -> str:
    """The ETag of an object that was stored in parts."""

    def digest(offset: int) -> bytes:
        with path.open("rb") as opened:
            opened.seek(offset)
            return md5(opened.read(PART_BYTES), usedforsecurity=False).digest()

    with ThreadPoolExecutor(PARTS_AT_ONCE) as pool:
        parts = list(pool.map(digest, range(0, path.stat().st_size, PART_BYTES)))
    return f"{md5(b''.join(parts), usedforsecurity=False).hexdigest()}-{len(parts)}"


if __name__ == "__main__":
    arguments = sys.argv[1:]
    main(*(each for each in arguments if each != "--compare"), compare="--compare" in arguments)
