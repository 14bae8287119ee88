"""A real S3 server in this process, and the stores that the conformance suite runs against."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from falconeri.storage import Credentials
from falconeri.storage.s3 import S3Storage
from falconeri.storage.s3_client import client_for
from tests.storage.places import PAGE_SIZE, PART_BYTES, Place, file_place, s3_place

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test find the credentials of whoever runs it."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    from moto.server import ThreadedMotoServer  # noqa: PLC0415  (takes a second)

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else a line for each request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def s3_credentials(s3_url: str) -> Credentials:
    return Credentials(
        {
            "AWS_ACCESS_KEY_ID": "AKIATEST",
            "AWS_SECRET_ACCESS_KEY": "a secret nobody may see",
            "AWS_ENDPOINT_URL": s3_url,
            "AWS_MAX_ATTEMPTS": "1",
        }
    )


@pytest.fixture(scope="session")
def s3_client(s3_credentials: Credentials) -> S3Client:
    return client_for(s3_credentials)


@pytest.fixture
def s3(s3_client: S3Client, s3_credentials: Credentials) -> Place:
    storage = S3Storage(s3_credentials, page_size=PAGE_SIZE, part_bytes=PART_BYTES)
    return s3_place(s3_client, f"bucket-{uuid4().hex}", storage)


@pytest.fixture(params=["file", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "s3":
        return request.getfixturevalue("s3")
    directory = tmp_path / "in put"
    directory.mkdir()
    return file_place(directory)
