from __future__ import annotations

import subprocess
import sys

import pytest

from falconeri.errors import InvalidInput, StorageError
from falconeri.storage import SCHEMES, Credentials, open_storage
from falconeri.storage.files import FileStorage
from falconeri.storage.s3 import S3Storage
from falconeri.storage.s3_client import client_for

NONE = Credentials({})


def test_the_scheme_chooses_the_store() -> None:
    assert isinstance(open_storage("file:///x", NONE), FileStorage)
    assert isinstance(open_storage("s3://bucket/x", NONE), S3Storage)


def test_an_unknown_scheme_is_told_which_there_are() -> None:
    with pytest.raises(InvalidInput) as caught:
        open_storage("ftp://host/x", NONE)

    assert "ftp://host/x" in caught.value.detail
    assert all(f"{scheme}://" in caught.value.hint for scheme in SCHEMES)


def test_the_libraries_of_a_store_are_not_imported_before_it_is_used() -> None:
    program = (
        "import sys; from falconeri.storage import Credentials, open_storage;"
        "open_storage('file:///x', Credentials({}));"
        "print(*{'boto3', 'botocore', 's3transfer'}.intersection(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)

    assert done.stdout.split() == []


def test_credentials_are_never_shown() -> None:
    credentials = Credentials({"AWS_SECRET_ACCESS_KEY": "hush", "AWS_ACCESS_KEY_ID": "AKIA"})

    assert repr(credentials) == (
        "Credentials(AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY of the environment)"
    )
    assert "hush" not in f"{credentials}{credentials!r}"


def test_credentials_keep_only_settings_of_stores_that_are_set() -> None:
    credentials = Credentials.from_environment(
        {"AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": "", "PATH": "/bin", "GOOGLE_X": "y"}
    )

    assert credentials.settings() == {"AWS_REGION": "eu-west-1", "GOOGLE_X": "y"}
    assert credentials.get("AWS_ENDPOINT_URL", "AWS_REGION") == "eu-west-1"
    assert credentials.get("AWS_ENDPOINT_URL") is None


def test_a_secret_goes_before_the_environment_and_tolerates_other_keys() -> None:
    base = Credentials({"AWS_ENDPOINT_URL": "http://minio", "AWS_REGION": "a"})

    credentials = Credentials.from_secret("s3", {"AWS_REGION": "b", "note": "ours"}, base=base)

    assert credentials.settings() == {"AWS_ENDPOINT_URL": "http://minio", "AWS_REGION": "b"}
    assert "'s3'" in credentials.origin


def test_the_key_pair_of_a_secret_is_not_mixed_with_the_session_of_the_environment() -> None:
    base = Credentials(
        {"AWS_ACCESS_KEY_ID": "1", "AWS_SECRET_ACCESS_KEY": "2", "AWS_SESSION_TOKEN": "3"}
    )

    credentials = Credentials.from_secret("s3", {"AWS_ACCESS_KEY_ID": "4"}, base=base)

    assert credentials.settings() == {"AWS_ACCESS_KEY_ID": "4"}


def test_equal_credentials_share_one_client_and_others_do_not() -> None:
    one = Credentials({"AWS_ACCESS_KEY_ID": "1", "AWS_SECRET_ACCESS_KEY": "2"})
    same = Credentials({"AWS_SECRET_ACCESS_KEY": "2", "AWS_ACCESS_KEY_ID": "1"})
    other = Credentials({"AWS_ACCESS_KEY_ID": "1", "AWS_SECRET_ACCESS_KEY": "3"})

    assert client_for(one) is client_for(same)
    assert client_for(one) is not client_for(other)


@pytest.mark.parametrize(
    "setting",
    [{"AWS_ENDPOINT_URL": "minio:9000"}, {"AWS_MAX_ATTEMPTS": "x"}, {"AWS_REGION": "not a region"}],
)
def test_a_setting_that_cannot_be_used_is_an_error_of_storage(setting: dict[str, str]) -> None:
    (value,) = setting.values()

    with pytest.raises(StorageError, match=value):
        open_storage("s3://bucket", Credentials(setting))


@pytest.mark.parametrize(
    ("settings", "region"),
    [
        ({}, "us-east-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, "eu-west-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-1", "AWS_REGION": "sa-east-1"}, "sa-east-1"),
    ],
)
def test_the_region_is_what_the_settings_say(settings: dict[str, str], region: str) -> None:
    client = client_for(Credentials(settings))

    assert client.meta.region_name == region
    assert region in client.meta.endpoint_url or region == "us-east-1"


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({}, "https://bucket.s3.amazonaws.com/key"),
        ({"AWS_ENDPOINT_URL": "http://minio:9000"}, "http://minio:9000/bucket/key"),
        ({"AWS_ENDPOINT": "http://minio:9000"}, "http://minio:9000/bucket/key"),
        (
            {"AWS_ENDPOINT": "http://minio:9000", "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "true"},
            "http://bucket.minio:9000/key",
        ),
    ],
)
def test_buckets_are_addressed_as_the_settings_say(settings: dict[str, str], url: str) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "1", "AWS_SECRET_ACCESS_KEY": "2"}
    client = client_for(Credentials({**keys, **settings}))

    signed = client.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "key"})

    assert signed.partition("?")[0] == url
