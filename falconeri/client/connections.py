"""Keep-alive connections that are closed when nobody uses them.

A thousand workers whose commands run for hours must not hold a thousand idle connections, since
falconerid walks through all of them. Called by `transport`; knows nothing of JSON or errors.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import urllib3
from urllib3.exceptions import HTTPError

_CHUNK_BYTES = 64 * 1024


class TooSlow(HTTPError):
    """Bytes kept coming, but not all of them within the limit."""


@dataclass(frozen=True)
class Response:
    """An answer with its whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Connections:
    """One pool per process; safe for many threads.

    Args:
        idle_s: Connections that nobody used for this long are closed before twice as long is over.
        size: How many connections to one server are kept; more are made when needed.
    """

    def __init__(self, *, idle_s: float = 5.0, size: int = 4) -> None:
        # No proxies and no environment: falconerid is in the cluster, or forwarded to localhost.
        self._manager = urllib3.PoolManager(maxsize=size, retries=False)
        self._idle_s = idle_s
        self._lock = threading.Lock()
        self._in_flight = 0
        self._begun = 0
        self._closer: threading.Thread | None = None

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None,
        limit_s: float,
    ) -> Response:
        """Send one request and read its whole answer. Redirects are not followed.

        Args:
            method: The HTTP verb.
            url: Absolute.
            headers: What to send with it.
            body: Its JSON, or None.
            limit_s: Seconds until the last byte has arrived, > 0.

        Raises:
            urllib3.exceptions.HTTPError: Not reached, cut off, or too slow.
        """
        deadline = time.monotonic() + limit_s
        with self._in_use():
            answer = self._manager.request(
                method,
                url,
                headers=headers,
                body=body,
                timeout=urllib3.Timeout(total=limit_s),
                redirect=False,
                preload_content=False,
            )
            return Response(answer.status, answer.headers, _read(answer, deadline))

    def close(self) -> None:
        """Close the connections that are idle now."""
        with self._lock:
            self._manager.clear()

    @contextmanager
    def _in_use(self) -> Generator[None]:
        with self._lock:
            self._in_flight += 1
            self._begun += 1
            if self._closer is None:
                self._closer = threading.Thread(
                    target=self._close_when_idle, name="falconeri-idle-connections", daemon=True
                )
                self._closer.start()
        try:
            yield
        finally:
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


def _read(answer: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
    """Read a body that may come in drops: the limit of a single read is not enough."""
    chunks: list[bytes] = []
    whole = False
    try:
        while chunk := answer.read1(_CHUNK_BYTES):
            chunks.append(chunk)
            _check(deadline)
        whole = True
    finally:
        if whole:
            answer.release_conn()
        else:
            answer.close()  # such a connection can't be used again
    return b"".join(chunks)


def _check(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise TooSlow("the answer did not end in time")
