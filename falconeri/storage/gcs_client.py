"""Clients of Google Cloud Storage, made from `Credentials` and kept.

Called by `falconeri.storage.gcs` only. What the credentials leave open (the workload identity of a
pod, the service account of a machine, GOOGLE_APPLICATION_CREDENTIALS, gcloud's login) is found by
Google's own search.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import google.auth
from google.api_core.client_info import ClientInfo
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import DefaultCredentialsError
from google.auth.transport.requests import AuthorizedSession
from google.cloud import storage  # pyright: ignore[reportMissingTypeStubs]
from google.oauth2.service_account import Credentials as ServiceAccount
from requests.adapters import HTTPAdapter

from falconeri import __version__
from falconeri.errors import StorageDenied, StorageError
from falconeri.storage.base import Credentials
from falconeri.storage.pool import CONNECTIONS

if TYPE_CHECKING:
    from google.auth.credentials import Credentials as GoogleCredentials

_SCOPES = ("https://www.googleapis.com/auth/devstorage.read_write",)
_GOOGLE = "https://storage.googleapis.com"

KEY = "GOOGLE_SERVICE_ACCOUNT_KEY"
KEY_FILES = ("GOOGLE_SERVICE_ACCOUNT", "SERVICE_ACCOUNT")


@dataclass(frozen=True)
class GcsClient:
    """What reaches one endpoint with one account; threads may share it."""

    storage: Any  # google.cloud.storage.Client, which has no types
    session: AuthorizedSession
    """The client's own, with its connections."""
    endpoint: str


def endpoint_of(credentials: Credentials) -> str:
    """Return the URL of Google's service, of a gateway to it, or of an emulator."""
    url = credentials.get("GOOGLE_BASE_URL", "STORAGE_EMULATOR_HOST") or _GOOGLE
    return (url if "://" in url else f"http://{url}").rstrip("/")


def account_of(credentials: Credentials) -> str:
    """Name the setting that says who we are, for messages."""
    found = (name for name in (KEY, *KEY_FILES) if credentials.get(name))
    return next(found, "GOOGLE_APPLICATION_CREDENTIALS")


@lru_cache(maxsize=32)
def client_for(credentials: Credentials) -> GcsClient:
    """Return the client for these credentials.

    Raises:
        StorageError: A setting that can't be used.
        StorageDenied: There are no credentials.
    """
    account = _account(credentials)
    endpoint = endpoint_of(credentials)
    session = AuthorizedSession(account)
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=CONNECTIONS))
    client: Any = storage.Client(
        project=None,  # is needed to make buckets, which we don't
        credentials=account,
        _http=session,
        client_info=ClientInfo(user_agent=f"falconeri/{__version__}"),
        client_options={"api_endpoint": endpoint},
    )
    # It would ask beside each first use, in a thread of its own, for a bucket's place on Earth: a
    # request that costs, that few accounts may make, and of which only its tracing has any use.
    client._bucket_metadata_cache = None  # noqa: SLF001 (Google's other switch is a variable of the whole process)
    return GcsClient(client, session, endpoint)


def _account(credentials: Credentials) -> GoogleCredentials:
    key = credentials.get(KEY)
    file = credentials.get(*KEY_FILES)
    origin = credentials.origin
    name = next((name for name in KEY_FILES if credentials.get(name)), "")
    if key and file:
        problem = f"{KEY} and {name} in {origin}"
        raise StorageError("two keys for Google Cloud Storage", detail=problem, hint="set one")
    if key:
        return _from_key(key, f"{KEY} in {origin}")
    if file:
        return _from_key(_read(Path(file), f"{name} in {origin}"), f"{file}, by {name} in {origin}")
    if credentials.enabled("GOOGLE_SKIP_SIGNATURE") or credentials.get("STORAGE_EMULATOR_HOST"):
        return AnonymousCredentials()
    return _of_the_surroundings(origin)


def _read(path: Path, setting: str) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as ex:
        raise StorageError(
            "the key for Google Cloud Storage can't be read", detail=f"{path}: {ex}", hint=setting
        ) from ex


def _from_key(key: str, setting: str) -> GoogleCredentials:
    try:
        return ServiceAccount.from_service_account_info(  # pyright: ignore[reportUnknownMemberType]
            json.loads(key), scopes=_SCOPES
        )
    except (ValueError, TypeError, AttributeError):
        # Without the cause: a key, or what should have been one, must not get into a log.
        raise StorageError(
            "not the JSON key of a service account of Google's", detail=setting
        ) from None


def _of_the_surroundings(origin: str) -> GoogleCredentials:
    try:
        found = google.auth.default(scopes=_SCOPES)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return cast("GoogleCredentials", found[0])
    except DefaultCredentialsError as ex:
        hint = f"set {KEY} in {origin}, or give the pod a workload identity"
        raise StorageDenied("no credentials for Google Cloud Storage", hint=hint) from ex
