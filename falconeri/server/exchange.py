"""Requests in, answers out: the few lines that every resource of both servers needs.

A body becomes one of our types or a 4xx that says why; an error of ours becomes its status and an
`ErrorBody`; an error that isn't ours becomes a 500 that tells the client nothing and the log all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, TypeVar
from uuid import UUID

import falcon
import falcon.asgi
from msgspec import Meta

from falconeri.errors import (
    BadRequest,
    FalconeriError,
    InvalidArgument,
    TookTooLong,
    Unauthorized,
    Unavailable,
)
from falconeri.log import get_logger
from falconeri.server.auth import Authenticator, Caller
from falconeri.server.operation import Access, Query, operation_of
from falconeri.wire import codec
from falconeri.wire.records import ErrorBody

T = TypeVar("T")
Choice = TypeVar("Choice", bound=StrEnum)

log = get_logger(__name__)

MAX_BODY_BYTES = 50 * 2**20
"""The original means to accept so much, too."""

JSON_LINES = "application/jsonl"

_HYPHENATED = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_UUID = re.compile(
    rf"[0-9a-f]{{32}}|(urn:uuid:)?{_HYPHENATED}|{{{_HYPHENATED}}}", re.IGNORECASE | re.ASCII
)

MAX_PAGE = 1000
LIMIT = Query("limit", Annotated[int, Meta(ge=1, le=MAX_PAGE)], "At most so many; 100 if absent.")


def parse_uuid(text: str, name: str) -> UUID:
    """A UUID of a path, in any of its usual spellings.

    Raises:
        BadRequest: Not a UUID.
    """
    # The constructor alone takes more than it should: signs, underscores, hyphens anywhere.
    if not _UUID.fullmatch(text):
        raise BadRequest(f"`{name}` is not a UUID", detail=repr(text[:50]))
    return UUID(text)


def check_json(content_type: str | None) -> None:
    """Refuse a body that isn't said to be JSON, with 415."""
    media = (content_type or "").partition(";")[0].strip().lower()
    main, _, kind = media.partition("/")
    if main != "application" or (kind != "json" and not kind.endswith("+json")):
        raise falcon.HTTPUnsupportedMediaType(
            description="Expected request with `Content-Type: application/json`"
        )


def body(req: falcon.Request, type_: type[T], *, unique_keys: bool = False) -> T:
    """Read and parse a request's body.

    Raises:
        BadRequest, InvalidInput: See `codec.decode`.
        falcon.HTTPUnsupportedMediaType: Not said to be JSON.
    """
    check_json(req.content_type)
    return codec.decode(req.bounded_stream.read(), type_, unique_keys=unique_keys)


def optional_body(req: falcon.Request, type_: type[T]) -> T | None:
    """The same for a body that may be left out, or be sent without its type; then None.

    Raises:
        BadRequest, InvalidInput: See `codec.decode`.
    """
    raw = req.bounded_stream.read()
    return codec.decode(raw, type_) if raw.strip() else None


def limit(req: falcon.Request) -> int:
    """The `limit` of a page.

    Raises:
        InvalidArgument: Not a number from 1 to `MAX_PAGE`.
    """
    text = req.get_param("limit", default="100")
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:9]) <= MAX_PAGE:
        raise InvalidArgument(detail=f"limit is not a number from 1 to {MAX_PAGE}: {text[:50]!r}")
    return int(text)


def choice(req: falcon.Request, name: str, kind: type[Choice]) -> Choice | None:
    """A parameter that is a word of an enumeration, or None if it is absent.

    Raises:
        InvalidArgument: Another word.
    """
    text = req.get_param(name)
    if text is None:
        return None
    try:
        return kind(text)
    except ValueError as ex:
        words = ", ".join(kind)
        raise InvalidArgument(detail=f"{name} is not one of {words}: {text[:50]!r}") from ex


def uuid_param(req: falcon.Request, name: str) -> UUID | None:
    """A parameter that is a UUID, or None if it is absent.

    Raises:
        BadRequest: Not a UUID.
    """
    text = req.get_param(name)
    return None if text is None else parse_uuid(text, name)


def answer(resp: falcon.Response | falcon.asgi.Response, value: Any) -> None:  # noqa: ANN401
    """Send one of our types as JSON with status 200."""
    resp.data = codec.encode(value)
    resp.content_type = "application/json"


def admit(
    authenticator: Authenticator,
    req: falcon.Request | falcon.asgi.Request,
    resource: object,
    params: Mapping[str, str],
) -> None:
    """Check the credentials and what they are good for, before the responder runs.

    A method that the path doesn't have is refused later, also without credentials, as by the
    original.

    Raises:
        Unauthorized, BadRequest, Forbidden: See `falconeri.server.auth`.
        falcon.HTTPNotFound: The path has an empty part, so it is another one.
    """
    if not all(params.values()):
        raise falcon.HTTPNotFound
    declared = operation_of(resource, req.method)
    if declared is None or declared.access is Access.PUBLIC:
        return
    try:
        who = authenticator.caller(req.auth)
        who.require(declared.access)
        if who.job_id is not None and "job_id" in params:
            who.require_job(parse_uuid(params["job_id"], "job_id"))
    except FalconeriError as ex:
        # What was given as credentials is in neither the reason nor the path.
        log.warning(
            "auth_failed",
            method=req.method,
            path=req.path,
            peer=req.remote_addr,
            status=ex.http_status,
            reason=ex.message,
        )
        raise
    for name, text in params.items():
        # Before the body is looked at, as by the original.
        if name.endswith("_id"):
            parse_uuid(text, name)
    req.context.caller = who


def caller(req: falcon.Request | falcon.asgi.Request) -> Caller:
    """Who sent this request; the middleware has checked the credentials."""
    found: Caller = req.context.caller
    return found


def send_error(resp: falcon.Response | falcon.asgi.Response, error: FalconeriError) -> None:
    """Answer with an error of ours; to be logged by the caller if it is a defect."""
    resp.status = falcon.code_to_http_status(error.http_status)
    answer(
        resp,
        ErrorBody(code=error.code, message=error.message, detail=error.detail, hint=error.hint),
    )
    if isinstance(error, Unauthorized):
        resp.set_header("WWW-Authenticate", 'Basic realm="falconeri"')
    if isinstance(error, (Unavailable, TookTooLong)):
        resp.set_header("Retry-After", "2")


def send_http_error(resp: falcon.Response | falcon.asgi.Response, error: falcon.HTTPError) -> None:
    """Answer with an error that Falcon found (404, 405, 413, 415, …), in the same form."""
    resp.status = error.status
    resp.set_headers(error.headers or {})
    code = falcon.http_status_to_code(error.status)
    answer(
        resp,
        ErrorBody(code=f"http_{code}", message=error.title or "", detail=error.description or ""),
    )


def send_defect(
    req: falcon.Request | falcon.asgi.Request,
    resp: falcon.Response | falcon.asgi.Response,
) -> None:
    """Answer 500 to a defect of ours, and log the trace of the exception that is being handled."""
    log.exception("request_failed", method=req.method, path=req.path)  # noqa: LOG004 - see above
    send_error(resp, FalconeriError("internal error", hint="falconerid's log has the trace"))
