"""What Google Cloud Storage and its libraries say when something fails, as our errors.

Called by `falconeri.storage.gcs` only. Messages name bucket, key, endpoint and the setting to look
at; of the settings' values only those that aren't secret.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import requests
import urllib3
from google.api_core.exceptions import (
    BadRequest,
    Forbidden,
    GoogleAPICallError,
    NotFound,
    PreconditionFailed,
    RetryError,
    Unauthorized,
)
from google.auth.exceptions import GoogleAuthError, RefreshError, TransportError
from google.cloud.storage.exceptions import DataCorruption  # pyright: ignore[reportMissingTypeStubs]

from falconeri.errors import (
    ObjectNotFound,
    StorageDenied,
    StorageError,
    TransferFailed,
)
from falconeri.storage.base import Credentials
from falconeri.storage.contents import Damaged
from falconeri.storage.gcs_client import account_of, endpoint_of

_BROKE_OFF = (
    DataCorruption,
    requests.exceptions.ChunkedEncodingError,
    urllib3.exceptions.ProtocolError,
    urllib3.exceptions.ReadTimeoutError,
)

_UNREACHABLE = (
    ConnectionError,
    TransportError,
    requests.exceptions.ConnectionError,
    requests.exceptions.Timeout,
)


def name_of(uri: str, credentials: Credentials) -> str:
    """Say what was looked for, and where."""
    return f"{uri} at {endpoint_of(credentials)}"


@contextmanager
def gcs_errors(uri: str, credentials: Credentials) -> Generator[None]:
    """Turn what fails inside into an error that names `uri` and where it was looked for."""
    place = name_of(uri, credentials)
    origin = credentials.origin
    try:
        yield
    except _BROKE_OFF as ex:
        raise Damaged("the transfer broke off", detail=f"{place}: {ex}") from ex
    except GoogleAPICallError as ex:
        raise _refused(ex, place, credentials) from ex
    except RefreshError as ex:
        hint = f"check {account_of(credentials)} in {origin}"
        raise StorageDenied(detail=f"{place}: {_said(ex)}", hint=hint) from ex
    except RetryError as ex:
        with gcs_errors(uri, credentials):
            raise ex.cause from ex
    except _UNREACHABLE as ex:
        hint = f"check GOOGLE_BASE_URL in {origin}, and the network"
        problem = "Google Cloud Storage can't be reached"
        raise StorageError(problem, detail=f"{place}: {ex}", hint=hint) from ex
    except (requests.RequestException, urllib3.exceptions.HTTPError) as ex:
        raise TransferFailed(detail=f"{place}: {ex}") from ex
    except GoogleAuthError as ex:
        raise StorageError(detail=f"{place}: {ex}") from ex


def _refused(error: GoogleAPICallError, place: str, credentials: Credentials) -> StorageError:
    """Choose the error for an answer of the store."""
    said = f"{error}"
    detail = f"{place}: {said}"
    match error:
        case NotFound():
            bucket = "bucket does not exist" in said
            return ObjectNotFound("no such bucket" if bucket else "no such object", detail=place)
        case Unauthorized() | Forbidden():
            hint = f"may the owner of {account_of(credentials)} in {credentials.origin} do this?"
            return StorageDenied(detail=detail, hint=hint)
        case PreconditionFailed():
            return TransferFailed("the object changed while it was read", detail=place)
        case BadRequest() if "doesn't match calculated" in said:  # a checksum
            return Damaged("the content was changed on its way", detail=detail)
        case _:
            return StorageError(detail=detail)


def _said(error: RefreshError) -> str:
    return str(error.args[0]) if error.args else ""
