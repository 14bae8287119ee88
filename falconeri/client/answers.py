"""What an answer of falconerid means: a value, or one of `falconeri.errors`.

Called by `transport`; knows nothing of connections. Our falconerid says what went wrong by the
`code` of an `ErrorBody`; the original's by a text and a status, which is 500 for most of them.
"""

from __future__ import annotations

from typing import TypeVar

from falconeri import errors
from falconeri.client.connections import Response
from falconeri.wire import codec
from falconeri.wire.records import ErrorBody

T = TypeVar("T")

_TEXT_LIMIT = 2000

_BY_STATUS: dict[int, type[errors.FalconeriError]] = {
    400: errors.BadRequest,
    401: errors.Unauthorized,
    403: errors.Forbidden,
    404: errors.NotFound,
    408: errors.Unavailable,
    409: errors.Conflict,
    429: errors.Unavailable,
    502: errors.Unavailable,
    503: errors.Unavailable,
    504: errors.Unavailable,
}

_BY_TEXT: tuple[tuple[int, str, str, type[errors.FalconeriError]], ...] = (
    (500, "could not load job ", "", errors.JobNotFound),
    (500, "could not load datum ", "", errors.DatumNotFound),
    (500, "can only retry jobs ", "", errors.JobNotRetryable),
    (500, "pool error", "", errors.Unavailable),
    (500, "error inserting datums", "", errors.OutputClash),  # it means output files
    (403, "datum ", " output files mismatch", errors.OutputsMismatch),
    (403, "datum ", " not found", errors.ClaimLost),
    (403, "datum ", " is owned by ", errors.ClaimLost),
    (403, "datum ", " has status ", errors.ClaimLost),
)
"""The original's texts: the status, how the text begins, what is in it, what it means."""


def value_of(body: bytes, answer: type[T]) -> T:
    """Read a successful answer, or a line of it.

    Raises:
        FalconeriError: It has another shape: that is another version, or not falconerid at all.
    """
    try:
        return codec.decode(body, answer)
    except (errors.BadRequest, errors.InvalidInput) as ex:
        raise errors.FalconeriError(
            "falconerid's answer cannot be understood",
            detail=str(ex),
            hint="do both have the same version?",
        ) from ex


def error_of(response: Response) -> errors.FalconeriError:
    """Rebuild the error that an answer with another status than 2xx stands for."""
    try:
        body = codec.decode(response.body, ErrorBody)
    except (errors.BadRequest, errors.InvalidInput):
        return _error_of_text(response.status, response.body)
    # A code of a newer falconerid: its status still tells whether to try again.
    kind = errors.BY_CODE.get(body.code) or _kind_of_status(response.status)
    return kind(body.message, detail=body.detail, hint=body.hint)


def retry_after_s(response: Response) -> float:
    """Return how many seconds the server asks to be left alone; 0 if it doesn't say."""
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() else 0.0


def _error_of_text(status: int, body: bytes) -> errors.FalconeriError:
    text = body[:_TEXT_LIMIT].decode(errors="replace").strip()
    for known_status, beginning, part, kind in _BY_TEXT:
        if status == known_status and text.startswith(beginning) and part in text:
            return kind(detail=text)
    kind = _kind_of_status(status)
    if kind is errors.Unauthorized:
        return kind(detail=text)
    return kind(f"unexpected HTTP status {status}", detail=text)


def _kind_of_status(status: int) -> type[errors.FalconeriError]:
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status in range(400, 500):
        return errors.InvalidInput
    # 1xx and 3xx: this address is not falconerid's; asking again won't help.
    return errors.FalconeriError if status in range(500, 600) else errors.BadRequest
