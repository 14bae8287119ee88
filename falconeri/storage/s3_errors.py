"""What S3 and botocore say when something fails, as our errors.

Called by `falconeri.storage.s3` only. Messages name bucket, key, endpoint and the setting to look
at; of the settings' values only those that aren't secret.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ReadTimeoutError,
    ResponseStreamingError,
)
from botocore.exceptions import (
    ConnectionError as UnreachableError,
)

from falconeri.errors import (
    InvalidInput,
    ObjectNotFound,
    StorageDenied,
    StorageError,
    TransferFailed,
)
from falconeri.storage.base import Credentials
from falconeri.storage.contents import Damaged
from falconeri.storage.s3_client import endpoint_of

_BROKE_OFF = (
    FlexibleChecksumError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)
"""What botocore raises when a content breaks off on its way, or fails its checksum."""

_MISSING = {
    "NoSuchBucket": "no such bucket",
    "NoSuchKey": "no such object",
    "404": "no such object",
    "NotFound": "no such object",
}

_CHECK_RIGHTS = "may the owner of AWS_ACCESS_KEY_ID in {origin} do this?"
_CHECK_SESSION = "check AWS_SESSION_TOKEN in {origin}"
_DENIED = {
    "403": _CHECK_RIGHTS,
    "AccessDenied": _CHECK_RIGHTS,
    "AllAccessDisabled": _CHECK_RIGHTS,
    "ExpiredToken": _CHECK_SESSION,
    "Forbidden": _CHECK_RIGHTS,
    "InvalidAccessKeyId": "check AWS_ACCESS_KEY_ID in {origin}",
    "InvalidToken": _CHECK_SESSION,
    "RequestTimeTooSkewed": "is the clock of this machine right?",
    "SignatureDoesNotMatch": "check AWS_SECRET_ACCESS_KEY in {origin}",
}

_ELSEWHERE = {
    "301",
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
    "PermanentRedirect",
}

_CHANGED = {"412", "PreconditionFailed"}

_NOT_AS_SENT = {"BadDigest", "IncompleteBody", "InvalidDigest", "XAmzContentSHA256Mismatch"}


def name_of(uri: str, credentials: Credentials) -> str:
    """Say what was looked for, and where."""
    return f"{uri} at {endpoint_of(credentials) or 'Amazon S3'}"


@contextmanager
def s3_errors(uri: str, credentials: Credentials) -> Generator[None]:
    """Turn what fails inside into an error that names `uri` and where it was looked for."""
    place = name_of(uri, credentials)
    origin = credentials.origin
    try:
        yield
    except ClientError as ex:
        raise _refused(ex, place, origin) from ex
    except (NoCredentialsError, PartialCredentialsError) as ex:
        hint = f"set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in {origin}"
        raise StorageDenied("no credentials for S3", detail=place, hint=hint) from ex
    except ParamValidationError as ex:
        raise InvalidInput("a bucket or key that S3 can't have", detail=f"{uri}: {ex}") from ex
    except UnreachableError as ex:
        hint = f"check AWS_ENDPOINT_URL in {origin}, and the network"
        raise StorageError("S3 can't be reached", detail=f"{place}: {ex}", hint=hint) from ex
    except _BROKE_OFF as ex:
        raise Damaged("the transfer broke off", detail=f"{place}: {ex}") from ex
    except HTTPClientError as ex:
        raise TransferFailed(detail=f"{place}: {ex}") from ex
    except BotoCoreError as ex:
        raise StorageError(detail=f"{place}: {ex}") from ex


def _refused(error: ClientError, place: str, origin: str) -> StorageError:
    """Choose the error for an answer of the store."""
    answer = error.response.get("Error", {})
    code = answer.get("Code", "")
    detail = f"{place}: {code} {answer.get('Message', '')}".rstrip()
    if code in _MISSING:
        return ObjectNotFound(_MISSING[code], detail=place)
    if code in _DENIED:
        return StorageDenied(detail=detail, hint=_DENIED[code].format(origin=origin))
    if code in _ELSEWHERE:
        hint = f"check AWS_REGION in {origin}"
        return StorageError("the bucket is in another region", detail=detail, hint=hint)
    if code in _CHANGED:
        return TransferFailed("the object changed while it was read", detail=place)
    if code in _NOT_AS_SENT:
        return Damaged("the content was changed on its way", detail=detail)
    return StorageError(detail=detail)
