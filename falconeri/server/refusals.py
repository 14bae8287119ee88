"""Answers of the servers themselves, to what no application sees.

What isn't HTTP, and what comes when there are too many clients, is answered in the form of all our
errors. Called by both ports.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from falconeri.wire import codec
from falconeri.wire.records import ErrorBody

if TYPE_CHECKING:
    from falconeri.server.edge import Asgi

VERSIONS = frozenset({"1.0", "1.1"})
"""Of HTTP, that both ports speak."""

OTHER_VERSION = "only HTTP/1.0 and HTTP/1.1 are spoken here"


def http_error(status: int, detail: str) -> ErrorBody:
    """The body of an error that only HTTP has a name for."""
    return ErrorBody(code=f"http_{status}", message=HTTPStatus(status).phrase, detail=detail)


def refuse(status: int, error: ErrorBody, *headers: tuple[bytes, bytes]) -> Asgi:
    """An ASGI application that answers each request so, and ends its connection."""
    body = codec.encode(error)
    start = {
        "type": "http.response.start",
        "status": status,
        "headers": [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
            *headers,
        ],
    }

    async def app(_scope: Any, _receive: Any, send: Any) -> None:  # noqa: ANN401
        await send(start)
        await send({"type": "http.response.body", "body": body})

    return app
