"""Keep-alive connections that are closed when nobody uses them.

A thousand workers whose commands run for hours must not hold a thousand idle connections, since
falconerid walks through all of them. Called by `transport`; knows nothing of JSON or errors.
"""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import urllib3
from urllib3.exceptions import HTTPError, ProtocolError

from falconeri import keepalive

_CHUNK_BYTES = 64 * 1024
_NO_DELAY = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # urllib3's own, which others replace


class TooSlow(HTTPError):
    """Bytes kept coming, but not all of them within the limit."""


@dataclass(frozen=True)
class Response:
    """An answer with its whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Stream:
    """An answer whose body is still to come; as a context manager, or closed by `close`."""

    def __init__(self, answer: urllib3.BaseHTTPResponse, on_close: Callable[[], None]) -> None:
        self.status = answer.status
        self.headers: Mapping[str, str] = answer.headers
        self._answer = answer
        self._on_close: Callable[[], None] | None = on_close

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
            urllib3.exceptions.HTTPError: Cut off before its end, or silent for too long.
        """
        # `read1`, since `stream` would hold back what has come until it has a whole chunk.
        while chunk := self._answer.read1(_CHUNK_BYTES):
            yield chunk
        self._answer.release_conn()

    def lines(self) -> Iterator[bytes]:
        """Yield the body's lines as they come, without their ends.

        Raises:
            urllib3.exceptions.HTTPError: As by `chunks`; or the last line has no end.
        """
        rest = b""
        for chunk in self.chunks():
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines
        if rest:
            raise ProtocolError("the last line has no end")

    def whole(self, deadline: float) -> Response:
        """Read all of a body that may come in drops: the limit of a single read is not enough.

        Args:
            deadline: When `time.monotonic()` reaches it, it is given up.

        Raises:
            urllib3.exceptions.HTTPError: Cut off, or too slow.
        """
        chunks: list[bytes] = []
        for chunk in self.chunks():
            chunks.append(chunk)
            if time.monotonic() > deadline:
                raise TooSlow("the answer did not end in time")
        return Response(self.status, self.headers, b"".join(chunks))

    def close(self) -> None:
        """Give the connection up, unless all was read: then others use it already."""
        self._answer.close()
        if self._on_close is not None:
            self._on_close()
            self._on_close = None


class Connections:
    """One pool per process; safe for many threads.

    Args:
        idle_s: Connections that nobody used for this long are closed before twice as long is over.
        size: How many connections to one server are kept; more are made when needed.
    """

    def __init__(self, *, idle_s: float = 5.0, size: int = 4) -> None:
        # No proxies and no environment: falconerid is in the cluster, or forwarded to localhost.
        self._manager = urllib3.PoolManager(
            maxsize=size,
            retries=False,
            socket_options=[_NO_DELAY, *keepalive.socket_options()],
        )
        self._idle_s = idle_s
        self._lock = threading.Lock()
        self._in_flight = 0
        self._begun = 0
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
            urllib3.exceptions.HTTPError: Not reached, cut off, or too slow.
        """
        self._enter()
        try:
            answer = self._manager.request(
                method,
                url,
                headers=headers,
                body=body,
                timeout=urllib3.Timeout(total=limit_s),
                redirect=False,
                preload_content=False,
            )
        except BaseException:
            self._leave()
            raise
        return Stream(answer, self._leave)

    def close(self) -> None:
        """Close the connections that are idle now."""
        with self._lock:
            self._manager.clear()

    def _enter(self) -> None:
        with self._lock:
            self._in_flight += 1
            self._begun += 1
            if self._closer is None:
                self._closer = threading.Thread(
                    target=self._close_when_idle, name="falconeri-idle-connections", daemon=True
                )
                self._closer.start()

    def _leave(self) -> None:
        with self._lock:
            self._in_flight -= 1

    def _close_when_idle(self) -> None:
        seen = -1
        while True:
            # Not all workers at the same moment, though all began at the same moment.
            time.sleep(random.uniform(self._idle_s, 2 * self._idle_s) / 2)  # noqa: S311
            with self._lock:
                if not self._in_flight and self._begun == seen:
                    self._manager.clear()
                    self._closer = None
                    return
                seen = self._begun
