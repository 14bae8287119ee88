"""What only the store `s3://` has to care about."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
import pytest
import urllib3
from botocore.exceptions import ClientError

from falconeri.errors import (
    InvalidInput,
    ObjectNotFound,
    StorageDenied,
    StorageError,
    TransferFailed,
)
from falconeri.storage import Credentials
from falconeri.storage.s3 import S3Storage
from falconeri.storage.s3_errors import s3_errors
from tests.storage.places import Place

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

MISSING_BUCKET = f"s3://no-such-bucket-{uuid4().hex}/dir/"

Use = Callable[[S3Storage, str, Path], object]

USES: dict[str, Use] = {
    "list_entries": lambda storage, uri, _: list(storage.list_entries(uri)),
    "list_files": lambda storage, uri, _: list(storage.list_files(uri)),
    "download a tree": lambda storage, uri, path: storage.download(uri, path / "got"),
    "download": lambda storage, uri, path: storage.download(f"{uri}x", path / "got"),
    "upload": lambda storage, uri, path: storage.upload(path / "local", f"{uri}x"),
}

every_use = pytest.mark.parametrize("use", USES.values(), ids=USES.keys())


@pytest.fixture
def local(tmp_path: Path) -> Path:
    (tmp_path / "local").write_bytes(b"content")
    return tmp_path


@pytest.fixture
def storage(s3_credentials: Credentials) -> S3Storage:
    return S3Storage(s3_credentials)


# --- Listing ----------------------------------------------------------------------------


def test_more_objects_than_one_answer_holds_are_all_listed(
    storage: S3Storage, s3_client: S3Client
) -> None:
    bucket = f"many-{uuid4().hex}"
    s3_client.create_bucket(Bucket=bucket)
    keys = [f"{number % 2}/{number:04}" for number in range(1001)]

    def put(key: str) -> None:
        s3_client.put_object(Bucket=bucket, Key=key, Body=b"")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, keys))

    listed = [entry.uri for entry in storage.list_files(f"s3://{bucket}")]

    assert listed == [f"s3://{bucket}/{key}" for key in sorted(keys)]
    assert [entry.uri for entry in storage.list_entries(f"s3://{bucket}")] == [
        f"s3://{bucket}/0/",
        f"s3://{bucket}/1/",
    ]


# --- What is missing, and what is refused -----------------------------------------------


@every_use
def test_a_bucket_that_is_not_there_is_named(storage: S3Storage, local: Path, use: Use) -> None:
    with pytest.raises(ObjectNotFound, match="no such bucket") as caught:
        use(storage, MISSING_BUCKET, local)

    assert MISSING_BUCKET in caught.value.detail
    assert "http://127.0.0.1:" in caught.value.detail


def test_nothing_is_deleted_in_a_bucket_that_is_not_there(storage: S3Storage) -> None:
    storage.delete(f"{MISSING_BUCKET}x")


@every_use
def test_a_bucket_that_nobody_can_have_is_refused(
    storage: S3Storage, local: Path, use: Use
) -> None:
    with pytest.raises(InvalidInput, match="not a bucket"):
        use(storage, "s3://not a bucket/dir/", local)


@every_use
def test_missing_credentials_say_what_to_set(
    s3_credentials: Credentials, local: Path, use: Use
) -> None:
    settings = {"AWS_ENDPOINT_URL": s3_credentials.settings()["AWS_ENDPOINT_URL"]}
    storage = S3Storage(Credentials(settings, origin="the secret 's3'"))

    with pytest.raises(StorageDenied, match="no credentials") as caught:
        use(storage, "s3://bucket/dir/", local)

    assert "AWS_ACCESS_KEY_ID" in caught.value.hint
    assert "the secret 's3'" in caught.value.hint


def test_a_public_bucket_needs_no_credentials(s3: Place, s3_credentials: Credentials) -> None:
    s3.put("x", b"")
    endpoint = s3_credentials.settings()["AWS_ENDPOINT_URL"]
    storage = S3Storage(Credentials({"AWS_ENDPOINT_URL": endpoint, "AWS_SKIP_SIGNATURE": "true"}))

    assert len(list(storage.list_files(s3.base))) == 1


@every_use
def test_an_endpoint_that_does_not_answer_is_named(
    s3_credentials: Credentials, local: Path, use: Use
) -> None:
    with socket.socket() as unused:  # bound, so that nobody else listens there
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
        settings = {**s3_credentials.settings(), "AWS_ENDPOINT_URL": endpoint}
        with pytest.raises(StorageError, match="can't be reached") as caught:
            use(S3Storage(Credentials(settings)), "s3://bucket/dir/", local)

    assert endpoint in caught.value.detail
    assert "AWS_ENDPOINT_URL" in caught.value.hint
    assert "a secret nobody may see" not in str(caught.value)


@pytest.mark.parametrize(
    ("code", "expected", "setting"),
    [
        ("PermanentRedirect", StorageError, "AWS_REGION"),
        ("AuthorizationHeaderMalformed", StorageError, "AWS_REGION"),
        ("ExpiredToken", StorageDenied, "AWS_SESSION_TOKEN"),
        ("RequestTimeTooSkewed", StorageDenied, "clock"),
        ("PreconditionFailed", TransferFailed, ""),
        ("SlowDown", StorageError, ""),
    ],
)
def test_an_answer_that_a_mock_does_not_give_says_what_to_look_at(
    code: str, expected: type[StorageError], setting: str
) -> None:
    answer = ClientError({"Error": {"Code": code, "Message": "words"}}, "GetObject")

    with pytest.raises(StorageError) as caught, s3_errors("s3://bucket/x", Credentials({})):
        raise answer

    assert type(caught.value) is expected
    assert setting in caught.value.hint
    assert "s3://bucket/x at Amazon S3" in caught.value.detail
    assert caught.value.__cause__ is answer


# --- Wrong credentials ------------------------------------------------------------------


@pytest.fixture
def guarded(s3: Place, s3_url: str, s3_credentials: Credentials) -> Iterator[dict[str, str]]:
    """The server checks keys and rights; gives the settings of somebody who may only list."""
    settings = s3_credentials.settings()
    session: Any = boto3.session.Session()  # there are stubs of S3 only
    iam = session.client(
        "iam",
        region_name="us-east-1",
        endpoint_url=s3_url,
        aws_access_key_id=settings["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=settings["AWS_SECRET_ACCESS_KEY"],
    )
    user = f"user-{uuid4().hex}"
    iam.create_user(UserName=user)
    rights = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [rights]})
    iam.put_user_policy(UserName=user, PolicyName="list", PolicyDocument=policy)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    s3.put("x", b"content")
    switch = f"{s3_url}/moto-api/reset-auth"
    urllib3.request("POST", switch, body="0")
    yield {
        **settings,
        "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
    }
    urllib3.request("POST", switch, body="inf")


def test_somebody_with_rights_may_list(s3: Place, guarded: dict[str, str]) -> None:
    storage = S3Storage(Credentials(guarded))

    assert [entry.uri for entry in storage.list_files(s3.base)] == [s3.base + "x"]


@pytest.mark.parametrize("name", ["download", "upload"])
def test_a_missing_right_is_denied_and_named(
    s3: Place, guarded: dict[str, str], local: Path, name: str
) -> None:
    storage = S3Storage(Credentials(guarded))

    with pytest.raises(StorageDenied, match="AccessDenied") as caught:
        USES[name](storage, s3.base, local)

    assert f"{s3.base}x" in caught.value.detail
    assert not (local / "got").exists()


def test_a_head_without_a_reason_is_denied_too(s3: Place, guarded: dict[str, str]) -> None:
    with pytest.raises(StorageDenied, match=s3.base):
        S3Storage(Credentials(guarded)).stat(f"{s3.base}x")


@every_use
@pytest.mark.parametrize("wrong", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_wrong_credentials_name_the_setting_and_never_its_value(
    s3: Place, guarded: dict[str, str], local: Path, use: Use, wrong: str
) -> None:
    settings = {**guarded, wrong: "a wrong value nobody may see"}
    storage = S3Storage(Credentials(settings, origin="the secret 's3'"))

    with pytest.raises(StorageDenied) as caught:
        use(storage, s3.base, local)

    assert caught.value.hint == f"check {wrong} in the secret 's3'"
    assert guarded["AWS_SECRET_ACCESS_KEY"] not in str(caught.value)
    assert "nobody may see" not in str(caught.value)


@pytest.mark.parametrize("wrong", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_a_server_that_checks_signatures_denies_what_is_wrong(
    rclone_credentials: Credentials, local: Path, wrong: str
) -> None:
    settings = {**rclone_credentials.settings(), wrong: "a wrong value nobody may see"}
    storage = S3Storage(Credentials(settings, origin="the secret 's3'"))

    with pytest.raises(StorageDenied) as caught:
        storage.upload(local / "local", "s3://bucket/x")

    assert caught.value.hint == f"check {wrong} in the secret 's3'"
    assert "nobody may see" not in str(caught.value)
