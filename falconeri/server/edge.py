"""What is done around each request of either port, whatever it asks for and however it ends.

Each gets an id: that of its `X-Request-Id` if it has a sane one, else a new one. The id is in the
answer and in every line that is logged meanwhile. What a request holds until its answer is sent is
given back here (`at_end`). Knows WSGI and ASGI, and nothing of Falconeri's endpoints.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import Any

from falconeri.log import shared_fields

HEADER = "X-Request-Id"
"""Of a request and of its answer."""

_SANE = re.compile(r"[\x21-\x7e]{1,64}")
"""Short and printable: an id goes into logs, and must not be able to forge or flood them."""

_END = "falconeri.end"
_RAW_HEADER = HEADER.lower().encode()

# WSGI and ASGI are protocols of untyped dictionaries and callables.
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Asgi = Callable[[Any, Any, Any], Awaitable[None]]


def request_id(given: str | None) -> str:
    """The id that a request brought, or a new one if it brought none that is sane."""
    return given if given and _SANE.fullmatch(given) else uuid.uuid4().hex


def at_end(environ: dict[str, Any]) -> ExitStack:
    """What is closed when the answer to a WSGI request has been sent, or its client is gone."""
    stack: ExitStack = environ[_END]
    return stack


def around_wsgi(app: Wsgi) -> Wsgi:
    """The same application within an edge."""

    def edge(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        key = request_id(environ.get("HTTP_X_REQUEST_ID"))

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:  # noqa: ANN401
            return start_response(status, [*headers, (HEADER, key)], *rest)

        with ExitStack() as opening:
            opening.enter_context(shared_fields(request_id=key))
            environ[_END] = opening.enter_context(ExitStack())
            chunks = app(environ, start)
            return _Answer(chunks, opening.pop_all())

    return edge


class _Answer:
    """The chunks of an answer. The server closes it after the last, or when the client is gone."""

    def __init__(self, chunks: Iterable[bytes], end: ExitStack) -> None:
        self._chunks = chunks
        self._end = end

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._chunks)

    def close(self) -> None:
        """Give back what the request held; in the thread that has begun it."""
        with self._end:
            if close := getattr(self._chunks, "close", None):
                close()


def around_asgi(app: Asgi) -> Asgi:
    """The same application within an edge."""

    async def edge(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401
        given = dict(scope.get("headers", ())).get(_RAW_HEADER, b"")
        key = request_id(given.decode("latin-1"))

        async def send_with_id(message: Any) -> None:  # noqa: ANN401
            if message["type"] == "http.response.start":
                message = message | {
                    "headers": [*message.get("headers", ()), (_RAW_HEADER, key.encode())]
                }
            await send(message)

        with shared_fields(request_id=key):
            await app(scope, receive, send_with_id)

    return edge
