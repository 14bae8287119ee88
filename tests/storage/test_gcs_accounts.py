"""Who we are to Google: keys in variables and files, tokens, and none of it in messages."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.oauth2.service_account import Credentials as ServiceAccount

from falconeri.errors import StorageDenied, StorageError
from falconeri.storage import Credentials
from falconeri.storage.gcs import GcsStorage
from tests.client.server import Reply, Seen, of_json, serving

EMAIL = "falconeri@project.iam.gserviceaccount.com"


@pytest.fixture(autouse=True)
def no_questions_in_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    """Google's library asks where an account may be used, of a server that can't be chosen."""
    name = "_is_regional_access_boundary_lookup_required"

    def never(_: ServiceAccount) -> bool:
        return False

    monkeypatch.setattr(ServiceAccount, name, never)


@cache
def private_key() -> str:
    key = rsa.generate_private_key(65537, 2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def key_for(token_url: str) -> str:
    return json.dumps(
        {
            "type": "service_account",
            "client_email": EMAIL,
            "private_key_id": "1",
            "private_key": private_key(),
            "token_uri": token_url,
        }
    )


def google(seen: Seen) -> Reply:
    """Give tokens, and an empty object to who has one."""
    if seen.path == "/token":
        return of_json({"access_token": "a-token", "expires_in": 3600})
    return Reply(200 if seen.headers.get("authorization") == "Bearer a-token" else 401)


@pytest.mark.parametrize(
    "where", ["GOOGLE_SERVICE_ACCOUNT_KEY", "GOOGLE_SERVICE_ACCOUNT", "SERVICE_ACCOUNT"]
)
def test_a_service_account_is_a_key_in_a_variable_or_in_a_file(tmp_path: Path, where: str) -> None:
    with serving(google) as server:
        key = key_for(f"{server.url}token")
        if where != "GOOGLE_SERVICE_ACCOUNT_KEY":
            (tmp_path / "key.json").write_text(key)
            key = str(tmp_path / "key.json")
        storage = GcsStorage(Credentials({"GOOGLE_BASE_URL": server.url, where: key}))

        storage.download("gs://bucket/x", tmp_path / "got")

    assert [seen.path.partition("?")[0] for seen in server.seen] == [
        "/token",
        "/download/storage/v1/b/bucket/o/x",
    ]


def test_what_is_left_open_is_found_as_google_s_own_programs_find_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(google) as server:
        (tmp_path / "key.json").write_text(key_for(f"{server.url}token"))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
        storage = GcsStorage(Credentials({"GOOGLE_BASE_URL": server.url}))

        storage.download("gs://bucket/x", tmp_path / "got")

    assert server.seen[0].path == "/token"


def test_without_credentials_it_is_said_what_to_set() -> None:
    with pytest.raises(StorageDenied, match="no credentials for Google") as caught:
        GcsStorage(Credentials({"GOOGLE_CLOUD_PROJECT": "p"}, origin="the secret 'g'"))

    assert "GOOGLE_SERVICE_ACCOUNT_KEY in the secret 'g'" in caught.value.hint


def test_a_public_bucket_needs_no_credentials(tmp_path: Path) -> None:
    with serving(lambda _: Reply(200)) as server:
        settings = {"GOOGLE_BASE_URL": server.url, "GOOGLE_SKIP_SIGNATURE": "true"}
        GcsStorage(Credentials(settings)).download("gs://bucket/x", tmp_path / "got")

    assert "authorization" not in {name.lower() for name in server.seen[0].headers}


def test_a_refused_account_names_the_setting_and_never_its_value(tmp_path: Path) -> None:
    refused = of_json({"error": "invalid_grant", "error_description": "Invalid JWT"}, 400)

    with serving(lambda _: refused) as server:
        settings = {
            "GOOGLE_BASE_URL": server.url,
            "GOOGLE_SERVICE_ACCOUNT_KEY": key_for(f"{server.url}token"),
        }
        storage = GcsStorage(Credentials(settings, origin="the secret 'g'"), patience_s=0.1)
        with pytest.raises(StorageDenied, match="invalid_grant") as caught:
            storage.download("gs://bucket/x", tmp_path / "got")

    assert caught.value.hint == "check GOOGLE_SERVICE_ACCOUNT_KEY in the secret 'g'"
    assert "PRIVATE KEY" not in str(caught.value)


@pytest.mark.parametrize(
    "key",
    [
        "hush",
        "[]",
        '{"type": "hush"}',
        '{"client_email": "a", "token_uri": "b", "private_key": "hush"}',
    ],
)
def test_what_is_no_key_is_not_shown(key: str) -> None:
    settings = {"GOOGLE_SERVICE_ACCOUNT_KEY": key}

    with pytest.raises(StorageError, match="not the JSON key") as caught:
        GcsStorage(Credentials(settings, origin="the secret 'g'"))

    assert caught.value.detail == "GOOGLE_SERVICE_ACCOUNT_KEY in the secret 'g'"
    assert caught.value.__suppress_context__


def test_two_keys_are_one_too_many() -> None:
    with pytest.raises(StorageError, match="GOOGLE_SERVICE_ACCOUNT_KEY and SERVICE_ACCOUNT"):
        GcsStorage(Credentials({"GOOGLE_SERVICE_ACCOUNT_KEY": "{}", "SERVICE_ACCOUNT": "/key"}))


def test_a_file_that_cannot_be_read_is_named() -> None:
    with pytest.raises(StorageError, match=r"/nowhere/key\.json") as caught:
        GcsStorage(Credentials({"GOOGLE_SERVICE_ACCOUNT": "/nowhere/key.json"}))

    assert caught.value.hint == "GOOGLE_SERVICE_ACCOUNT in the environment"


def test_the_account_of_a_secret_is_not_mixed_with_that_of_the_environment() -> None:
    base = Credentials({"GOOGLE_APPLICATION_CREDENTIALS": "/ours", "GOOGLE_BASE_URL": "http://x"})

    credentials = Credentials.from_secret("g", {"GOOGLE_SERVICE_ACCOUNT_KEY": "{}"}, base=base)

    assert credentials.settings() == {
        "GOOGLE_SERVICE_ACCOUNT_KEY": "{}",
        "GOOGLE_BASE_URL": "http://x",
    }
