"""The local S3 server as a process of its own, and a bucket in it.

python -m benchmarks.transfers.store      serves until standard input ends; prints its port
"""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from falconeri.storage import Credentials
from falconeri.storage.s3_client import client_for

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

BUCKET = "bench"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "of the benchmark"}


@dataclass(frozen=True)
class Store:
    """A running server with an empty bucket."""

    port: int
    client: S3Client

    def fill(self, prefix: str, count: int, size_bytes: int) -> list[str]:
        """Put so many objects of this size below a prefix; return their keys."""
        keys = [f"{prefix}/{number:04}" for number in range(count)]
        for key in keys:
            self.client.put_object(Bucket=BUCKET, Key=key, Body=b"x" * size_bytes)
        return keys

    def count(self, prefix: str) -> int:
        """How many objects there are below it."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return sum(len(page.get("Contents", [])) for page in pages)


@contextmanager
def store() -> Generator[Store]:
    """Run the server."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.transfers.store"],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        if process.stdout is None or process.stdin is None:
            raise RuntimeError("it has no pipes")
        port = int(process.stdout.readline())
        url = f"http://127.0.0.1:{port}"
        client = client_for(Credentials(KEYS | {"AWS_ENDPOINT_URL": url}))
        client.create_bucket(Bucket=BUCKET)
        try:
            yield Store(port, client)
        finally:
            process.stdin.close()


def _serve() -> None:
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - takes a second

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else a line for each request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    print(server.get_host_and_port()[1], flush=True)
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    _serve()
