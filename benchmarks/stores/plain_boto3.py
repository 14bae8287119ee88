"""The same transfer by plain boto3, with as many threads and parts as large.

Called by `measure`, in a process of its own: `python -m … WHAT URI PATH`.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

from benchmarks.stores.measure import FILES_AT_ONCE, PART_BYTES, PARTS_AT_ONCE


def main(what: str, uri: str, name: str) -> None:
    """Move a file, or (the URI ends with `/`) a directory of files."""
    session = boto3.session.Session()
    s3 = session.client(  # pyright: ignore[reportUnknownMemberType]
        "s3",
        endpoint_url=os.environ["AWS_ENDPOINT_URL"],
        region_name="us-east-1",
        config=Config(max_pool_connections=FILES_AT_ONCE, s3={"addressing_style": "path"}),
    )
    parts = TransferConfig(
        multipart_threshold=2 * PART_BYTES,
        multipart_chunksize=PART_BYTES,
        max_concurrency=PARTS_AT_ONCE,
    )
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    path = Path(name)
    if not uri.endswith("/"):
        if what == "down":
            s3.download_file(bucket, key, name, Config=parts)
        else:
            s3.upload_file(name, bucket, key, Config=parts)
        return

    def download(found: str) -> None:
        content = s3.get_object(Bucket=bucket, Key=found)["Body"].read()
        (path / found.removeprefix(key)).write_bytes(content)

    def upload(file: Path) -> None:
        s3.put_object(Bucket=bucket, Key=key + file.name, Body=file.read_bytes())

    with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
        if what == "down":
            path.mkdir()
            pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key)
            keys = [each.get("Key", "") for page in pages for each in page.get("Contents", [])]
            list(pool.map(download, keys))
        else:
            list(pool.map(upload, path.iterdir()))


if __name__ == "__main__":
    main(*sys.argv[1:])
