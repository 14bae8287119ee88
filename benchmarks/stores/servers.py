"""The stores that files go to and come from: real servers, which keep objects as files here.

Called by `./run bench storage`. They differ in what they say of a content: rclone's answers with an
ETag that is the MD5, versitygw, as Amazon's S3, with the checksum that botocore has sent as well.
"""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3

from benchmarks._registry import VERSITYGW, Unavailable, build_go
from falconeri.local._ports import HOST, free_ports
from tests.storage.rclone_server import rclone_server

BUCKET = "bucket"

_VERSITY_KEYS = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "a secret of nothing"}
_START_LIMIT_S = 30.0


@dataclass(frozen=True)
class Store:
    """A kind of server.

    Args:
        provider: What rclone's client calls it.
        serve: Keep buckets, one of them `BUCKET`, in a directory; gives the client's settings.
    """

    name: str
    provider: str
    serve: Callable[[Path], AbstractContextManager[dict[str, str]]]


@contextmanager
def _rclone(directory: Path) -> Generator[dict[str, str]]:
    (directory / BUCKET).mkdir()
    with rclone_server(directory) as credentials:
        yield credentials.settings()


@contextmanager
def _versitygw(directory: Path) -> Generator[dict[str, str]]:
    """Raises: Unavailable: It can't be built, or doesn't start."""
    program = build_go(VERSITYGW, "cmd/versitygw")
    port, _ = free_ports()
    address = f"{HOST}:{port}"
    settings = {**_VERSITY_KEYS, "AWS_ENDPOINT_URL": f"http://{address}"}
    access, secret = _VERSITY_KEYS.values()
    command = [
        *(str(program), "--access", access, "--secret", secret, "--port", address),
        *("--keep-alive", "--quiet", "posix", str(directory)),
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            _await(server, port)
            _make_bucket(settings)
            yield settings
        finally:
            server.terminate()


STORES = (
    Store("rclone's server", "Rclone", _rclone),
    Store("versitygw", "Other", _versitygw),
)


def _await(server: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + _START_LIMIT_S
    while server.poll() is None and time.monotonic() < end:
        try:
            socket.create_connection((HOST, port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise Unavailable("versitygw doesn't start")


def _make_bucket(settings: dict[str, str]) -> None:
    s3 = boto3.session.Session().client(  # pyright: ignore[reportUnknownMemberType]
        "s3",
        endpoint_url=settings["AWS_ENDPOINT_URL"],
        region_name="us-east-1",
        aws_access_key_id=settings["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=settings["AWS_SECRET_ACCESS_KEY"],
    )
    s3.create_bucket(Bucket=BUCKET)
