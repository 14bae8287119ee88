"""Keep-alive connections that are closed when nobody uses them.

A thousand workers whose commands run for hours must not hold a thousand idle connections, since
falconerid walks through all of them. On the standard library's `http.client`: each worker imports
this before its first request, and urllib3 would take as long as all the rest. Called by
`transport`; knows nothing of JSON or errors.
"""

from __future__ import annotations

import random
import selectors
import socket
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection, IncompleteRead
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self, cast
from urllib.parse import urlsplit

from falconeri import keepalive

if TYPE_CHECKING:
    import ssl

_CHUNK_BYTES = 64 * 1024
_LEAST_S = 0.001  # a limit of 0 would mean not to wait at all


class Unreached(Exception):
    """No answer, or not all of it; its text says why."""


@dataclass(frozen=True)
class Response:
    """An answer with its whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Stream:
    """An answer whose body is still to come; as a context manager, or closed by `close`."""

    def __init__(
        self,
        connection: HTTPConnection,
        answer: HTTPResponse,
        release: Callable[[HTTPConnection], None],
    ) -> None:
        self.status = answer.status
        self.headers = cast("Mapping[str, str]", answer.headers)
        """Whose names have no case."""
        self._connection: HTTPConnection | None = connection
        self._answer = answer
        self._release = release

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def chunks(self) -> Iterator[bytes]:
        """Yield the body as it comes.

        Raises:
            Unreached: Cut off before its end, or silent for too long.
        """
        # `read1`, since `read` would hold back what has come until it has a whole chunk.
        while chunk := self._read():
            yield chunk
        if self._answer.length:
            raise Unreached("the answer was cut off")
        connection, self._connection = self._connection, None
        self._answer.close()
        if connection is not None:
            self._release(connection)

    def lines(self) -> Iterator[bytes]:
        """Yield the body's lines as they come, without their ends.

        Raises:
            Unreached: As by `chunks`; or the last line has no end.
        """
        rest = b""
        for chunk in self.chunks():
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines
        if rest:
            raise Unreached("the last line has no end")

    def whole(self, deadline: float) -> Response:
        """Read all of a body that may come in drops: the limit of a single read is not enough.

        Args:
            deadline: When `time.monotonic()` reaches it, it is given up.

        Raises:
            Unreached: Cut off, or too slow.
        """
        chunks: list[bytes] = []
        for chunk in self.chunks():
            chunks.append(chunk)
            if time.monotonic() > deadline:
                raise Unreached("the answer did not end in time")
        return Response(self.status, self.headers, b"".join(chunks))

    def close(self) -> None:
        """Give the connection up, unless all was read: then others use it already."""
        self._answer.close()
        if self._connection is not None:
            self._connection.close()

    def _read(self) -> bytes:
        with _unreached():
            return self._answer.read1(_CHUNK_BYTES)


class _Origin(NamedTuple):
    scheme: str
    host: str
    port: int | None


class _Idle(NamedTuple):
    origin: _Origin
    connection: HTTPConnection
    since: float


class Connections:
    """One pool per process; safe for many threads.

    No proxies and no environment: falconerid is in the cluster, or forwarded to localhost.

    Args:
        idle_s: Connections that nobody used for this long are closed before twice as long is over.
        size: How many idle ones are kept; more are made when needed.
    """

    def __init__(self, *, idle_s: float = 5.0, size: int = 4) -> None:
        self._idle_s = idle_s
        self._size = size
        self._lock = threading.Lock()
        self._idle: list[_Idle] = []
        self._closer: threading.Thread | None = None

    def open(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None,
        limit_s: float,
    ) -> Stream:
        """Send one request and wait until its answer begins. Redirects are not followed.

        Args:
            method: The HTTP verb.
            url: Absolute.
            headers: What to send with it.
            body: Its JSON, or None.
            limit_s: Seconds until the answer begins, and that its body may be silent; > 0.

        Raises:
            Unreached: Not reached, cut off, or too slow.
        """
        deadline = time.monotonic() + limit_s
        parts = urlsplit(url)
        origin = _Origin(parts.scheme, parts.hostname or "", parts.port)
        connection = self._take(origin) or self._connect(origin, limit_s)
        sock: socket.socket = connection.sock  # which is not the connection's for much longer
        try:
            with _unreached():
                sock.settimeout(max(deadline - time.monotonic(), _LEAST_S))
                target = parts._replace(scheme="", netloc="").geturl()
                connection.request(method, target, body=body, headers=dict(headers))
                answer = connection.getresponse()
                sock.settimeout(limit_s)
        except BaseException:
            connection.close()
            raise
        return Stream(connection, answer, partial(self._put, origin))

    def close(self) -> None:
        """Close the connections that are idle now."""
        self._drop(lambda _: True)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        import ssl  # noqa: PLC0415 - only for https

        return ssl.create_default_context()

    def _connect(self, origin: _Origin, limit_s: float) -> HTTPConnection:
        with _unreached():
            if origin.scheme == "https":
                connection: HTTPConnection = HTTPSConnection(
                    origin.host, origin.port, timeout=limit_s, context=self._tls
                )
            else:
                connection = HTTPConnection(origin.host, origin.port, timeout=limit_s)
            connection.connect()
            for option in keepalive.socket_options():
                connection.sock.setsockopt(*option)
        return connection

    def _take(self, origin: _Origin) -> HTTPConnection | None:
        """The connection that was used last, if there is one that the other side has not closed."""
        while True:
            with self._lock:
                found = [idle for idle in self._idle if idle.origin == origin]
                if not found:
                    return None
                self._idle.remove(found[-1])
            connection = found[-1].connection
            if not _is_readable(connection.sock):
                return connection
            connection.close()

    def _put(self, origin: _Origin, connection: HTTPConnection) -> None:
        with self._lock:
            full = len(self._idle) >= self._size
            if not full and connection.sock is not None:  # else the answer has closed it
                self._idle.append(_Idle(origin, connection, time.monotonic()))
            if self._closer is None and self._idle:
                self._closer = threading.Thread(
                    target=self._close_old, name="falconeri-idle-connections", daemon=True
                )
                self._closer.start()
        if full:
            connection.close()

    def _drop(self, is_old: Callable[[_Idle], bool]) -> None:
        """Close some of the idle ones."""
        with self._lock:
            for idle in [idle for idle in self._idle if is_old(idle)]:
                self._idle.remove(idle)
                idle.connection.close()

    def _close_old(self) -> None:
        while True:
            # Not all workers at the same moment, though all began at the same moment.
            time.sleep(random.uniform(self._idle_s, 2 * self._idle_s) / 2)  # noqa: S311
            self._drop(lambda idle: time.monotonic() - idle.since >= self._idle_s)
            with self._lock:
                if not self._idle:
                    self._closer = None
                    return


def _is_readable(sock: socket.socket) -> bool:
    """Whether an idle connection's other side has closed it, or sent what nobody asked for."""
    with selectors.DefaultSelector() as selector:
        selector.register(sock, selectors.EVENT_READ)
        return bool(selector.select(timeout=0))


@contextmanager
def _unreached() -> Generator[None]:
    """Say in words why there is no answer."""
    try:
        yield
    except IncompleteRead as ex:
        raise Unreached("the answer was cut off") from ex
    except OSError as ex:
        raise Unreached(ex.strerror or str(ex) or type(ex).__name__) from ex
    except HTTPException as ex:
        raise Unreached(f"{type(ex).__name__}: {ex}") from ex
