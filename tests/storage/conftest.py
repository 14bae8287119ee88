"""Real servers in this process, and the stores that the conformance suite runs against."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from falconeri.storage import Credentials
from falconeri.storage.gcs import GcsStorage
from falconeri.storage.gcs_client import GcsClient
from falconeri.storage.gcs_client import client_for as gcs_client_for
from falconeri.storage.s3 import S3Storage
from falconeri.storage.s3_client import client_for as s3_client_for
from tests.s3_server import s3_server
from tests.storage import places
from tests.storage.google_server import google_server
from tests.storage.places import MOTO_DEFECTS, PAGE_SIZE, PART_BYTES, REAL, Place
from tests.storage.rclone_server import rclone_server

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

SETTINGS = (
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"),
    *("GOOGLE_SERVICE_ACCOUNT_KEY", "GOOGLE_APPLICATION_CREDENTIALS", "STORAGE_EMULATOR_HOST"),
)


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let no test find the credentials of whoever runs it, but for those of real buckets."""
    if "place" in request.fixturenames and request.getfixturevalue("place_name") in REAL:
        return
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "nowhere"))


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    with s3_server() as url:
        yield url


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
    return s3_client_for(s3_credentials)


@pytest.fixture(scope="session")
def rclone_credentials(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Credentials]:
    with rclone_server(tmp_path_factory.mktemp("rclone")) as credentials:
        yield credentials


@pytest.fixture(scope="session")
def gcs_credentials() -> Iterator[Credentials]:
    with google_server() as url:
        yield Credentials({"STORAGE_EMULATOR_HOST": url})


@pytest.fixture(scope="session")
def gcs_client(gcs_credentials: Credentials) -> GcsClient:
    return gcs_client_for(gcs_credentials)


@pytest.fixture
def s3(s3_client: S3Client, s3_credentials: Credentials) -> Place:
    storage = S3Storage(s3_credentials, page_size=PAGE_SIZE, part_bytes=PART_BYTES)
    bucket = f"bucket-{uuid4().hex}"
    s3_client.create_bucket(Bucket=bucket)
    return places.s3_place(s3_client, bucket, "in put/", storage, not_in_names=MOTO_DEFECTS)


@pytest.fixture
def rclone(rclone_credentials: Credentials) -> Place:
    storage = S3Storage(rclone_credentials, page_size=PAGE_SIZE, part_bytes=PART_BYTES)
    client = s3_client_for(rclone_credentials)
    bucket = f"bucket-{uuid4().hex}"
    client.create_bucket(Bucket=bucket)
    return places.s3_place(client, bucket, "in put/", storage, keeps_files=True)


@pytest.fixture
def gcs(gcs_client: GcsClient, gcs_credentials: Credentials) -> Place:
    storage = GcsStorage(
        gcs_credentials, page_size=PAGE_SIZE, part_bytes=PART_BYTES, patience_s=0.1
    )
    bucket = f"bucket-{uuid4().hex}"
    gcs_client.storage.create_bucket(bucket)
    return places.gcs_place(gcs_client, bucket, "in put/", storage)


@pytest.fixture(params=["file", "s3", "rclone", "gcs", *REAL])
def place_name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def place(request: pytest.FixtureRequest, place_name: str, tmp_path: Path) -> Place:
    if place_name in REAL:
        return places.real_place(place_name)
    if place_name != "file":
        return request.getfixturevalue(place_name)
    directory = tmp_path / "in put"
    directory.mkdir()
    return places.file_place(directory)


@pytest.fixture(params=["s3", "gcs"])
def bucket(request: pytest.FixtureRequest) -> Place:
    """A store in which a key is just a text."""
    return request.getfixturevalue(request.param)
