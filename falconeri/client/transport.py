"""Requests to falconerid: JSON both ways, Basic authentication, retries, one deadline per call.

Called by `jobs` and `work`, and made by the programs. Knows the shape of no particular call.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import urlencode, urlsplit

from falconeri import __version__
from falconeri.client import answers
from falconeri.client.connections import Connections, Response, Stream, Unreached
from falconeri.client.retry import RetryPolicy
from falconeri.errors import FalconeriError, InvalidArgument, Unavailable
from falconeri.log import get_logger
from falconeri.wire import codec

T = TypeVar("T")
Answer = TypeVar("Answer", Response, Stream)

USER = "falconeri"

HOLD_MARGIN_S = 15.0
"""How much later than wished the waiting port may answer."""

_LEAST_TRY_S = 0.05
_DEFAULT_PORTS = {"http": 80, "https": 443}

log = get_logger(__name__)


class Transport:
    """One falconerid's address and credentials. Safe for many threads.

    Args:
        url: `http://host:port/`, perhaps with a path.
        password: The administrator's password, or a job's token.
        timeout_s: Seconds that a single try may take, until its last byte.
        retries: When to try again; applies to connection errors and 5xx, never to 4xx.
        pause: How to spend the time between two tries; it may raise to give up.
        connections: The pool to share with other transports of this process.

    Raises:
        InvalidArgument: Not an HTTP URL.
    """

    def __init__(
        self,
        url: str,
        password: str,
        *,
        timeout_s: float,
        retries: RetryPolicy,
        pause: Callable[[float], None] = time.sleep,
        connections: Connections | None = None,
    ) -> None:
        self.url = _checked(url)
        self._password = password
        self._timeout_s = timeout_s
        self._retries = retries
        self._pause = pause
        self.connections = connections or Connections()
        token = base64.b64encode(f"{USER}:{password}".encode()).decode("ascii")
        self._headers = {
            "Authorization": f"Basic {token}",
            "Accept": "application/json",
            "User-Agent": f"falconeri/{__version__}",
        }

    def __repr__(self) -> str:
        return f"Transport({self.url!r}, password='***')"

    def but(
        self,
        *,
        url: str | None = None,
        timeout_s: float | None = None,
        retries: RetryPolicy | None = None,
        pause: Callable[[float], None] | None = None,
    ) -> Transport:
        """Return another transport with the same connections and credentials."""
        return Transport(
            self.url if url is None else url,
            self._password,
            timeout_s=self._timeout_s if timeout_s is None else timeout_s,
            retries=self._retries if retries is None else retries,
            pause=self._pause if pause is None else pause,
            connections=self.connections,
        )

    def fetch(
        self,
        method: str,
        path: str,
        answer: type[T],
        *,
        body: object = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: Callable[[], bool] | None = None,
    ) -> T:
        """Make a call that answers with JSON.

        Args:
            method: The HTTP verb.
            path: Below the URL, without a slash in front.
            answer: The type of the answer's JSON.
            body: One of `falconeri.wire`'s structs, or None.
            query: Parameters, not yet encoded.
            headers: More of them.
            repeatable: For a call that not every falconerid can be asked twice: asked once, before
                the first repeat. Such a call is repeated when falconerid is Unavailable, and for no
                other error. None: any may be repeated.

        Raises:
            FalconeriError: The class that falconerid's error body names; Unavailable when it can't
                be reached until the deadline.
        """
        request = _Request(method, path, body, query, headers or {}, repeatable)
        return answers.value_of(self._call(request).body, answer)

    def send(self, method: str, path: str, *, body: object = None) -> None:
        """Make a call whose answer has nothing in it; see `fetch`."""
        self._call(_Request(method, path, body))

    def fetch_text(self, path: str) -> str:
        """Make a GET call that answers with text; see `fetch`."""
        return self._call(_Request("GET", path)).body.decode(errors="replace")

    def fetch_header(self, path: str, name: str) -> str | None:
        """Make a GET call for a header of its answer, None if there is none; see `fetch`."""
        return self._call(_Request("GET", path)).headers.get(name)

    def fetch_lines(self, path: str, line: type[T]) -> Iterator[T]:
        """Make a GET call that answers with a JSON value a line; yield them as they come.

        Args:
            path: Below the URL, without a slash in front.
            line: The type of each line's JSON.

        Raises:
            FalconeriError, Unavailable: See `fetch_raw_lines`.
        """
        for text in self.fetch_raw_lines(path):
            yield answers.value_of(text, line)

    def fetch_raw_lines(
        self, path: str, *, headers: Mapping[str, str] | None = None
    ) -> Iterator[bytes]:
        """Make a GET call that answers with lines; yield them as they come, without their ends.

        It is tried again until the answer begins. `timeout_s` is for that, and for each silence
        after it: the whole may take as long as it likes.

        Args:
            path: Below the URL, without a slash in front.
            headers: More of them.

        Raises:
            FalconeriError: See `fetch`.
            Unavailable: Also if the answer is cut off: then what came so far is not all.
        """
        request = _Request("GET", path, headers=headers or {})
        with self._persist(request, self._begin) as stream:
            try:
                yield from stream.lines()
            except Unreached as ex:
                raise Unavailable(
                    "falconerid's answer was cut off",
                    detail=f"{request.url_below(self.url)}: {ex}",
                    hint="what came before is not all: ask again",
                ) from ex

    def _call(self, request: _Request) -> Response:
        return self._persist(request, self._try)

    def _persist(self, request: _Request, attempt: Callable[[_Request, float], Answer]) -> Answer:
        policy = self._retries
        deadline = time.monotonic() + policy.deadline_s
        failures = 0
        while True:
            left_s = max(deadline - time.monotonic(), _LEAST_TRY_S)
            limit_s = self._timeout_s if policy.whole_tries else min(self._timeout_s, left_s)
            try:
                return attempt(request, limit_s)
            except _Refused as refused:
                failures += 1
                if failures == 1 and policy.whole_tries:
                    deadline = time.monotonic() + policy.deadline_s
                self._pause_or_raise(refused, request, failures, deadline)
                if failures == 1 and not request.may_be_repeated():
                    raise refused.error from refused.__cause__

    def _try(self, request: _Request, limit_s: float) -> Response:
        deadline = time.monotonic() + limit_s
        try:
            with self._open(request, limit_s) as stream:
                response = stream.whole(deadline)
        except Unreached as ex:
            raise self._unreached(ex) from ex
        if response.status in range(200, 300):
            return response
        raise _refusal(response)

    def _begin(self, request: _Request, limit_s: float) -> Stream:
        # Not what the deadline leaves: this limit stays with the connection for all of the body.
        del limit_s
        try:
            stream = self._open(request, self._timeout_s)
            if stream.status in range(200, 300):
                return stream
            with stream:
                response = stream.whole(time.monotonic() + self._timeout_s)
        except Unreached as ex:
            raise self._unreached(ex) from ex
        raise _refusal(response)

    def _open(self, request: _Request, limit_s: float) -> Stream:
        headers = {**self._headers, **request.headers}
        data = None
        if request.body is not None:
            data = codec.encode(request.body)
            headers = headers | {"Content-Type": "application/json"}
        url = request.url_below(self.url)
        return self.connections.open(
            request.method, url, headers=headers, body=data, limit_s=limit_s
        )

    def _unreached(self, reason: Unreached) -> _Refused:
        error = Unavailable("falconerid cannot be reached", detail=f"{self.url}: {reason}")
        return _Refused(error, retry_after_s=0.0)

    def _pause_or_raise(
        self, refused: _Refused, request: _Request, failures: int, deadline: float
    ) -> None:
        error = refused.error
        if not request.is_worth_repeating(error) or failures >= self._retries.tries:
            raise error from refused.__cause__
        pause_s = self._retries.pause_s(failures, at_least_s=refused.retry_after_s)
        if time.monotonic() + pause_s >= deadline:
            raise error from refused.__cause__
        log.info(
            "request_retried",
            method=request.method,
            path=request.path,
            error=str(error),
            failures=failures,
            pause_s=round(pause_s, 3),
        )
        self._pause(pause_s)


def waiting_url(url: str) -> str:
    """Return where falconerid lets callers wait, unless told otherwise: the next port.

    Raises:
        InvalidArgument: Not an HTTP URL.
    """
    parts = urlsplit(_checked(url))
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = (parts.port or _DEFAULT_PORTS[parts.scheme]) + 1
    return parts._replace(netloc=f"{host}:{port}").geturl()


@dataclass(frozen=True)
class _Request:
    method: str
    path: str
    body: object = None
    query: Mapping[str, str] | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    repeatable: Callable[[], bool] | None = None

    def url_below(self, base: str) -> str:
        return base + self.path + (f"?{urlencode(self.query)}" if self.query else "")

    def is_worth_repeating(self, error: FalconeriError) -> bool:
        if self.repeatable is not None:
            return isinstance(error, Unavailable)
        return error.http_status in range(500, 600)

    def may_be_repeated(self) -> bool:
        try:
            return self.repeatable is None or self.repeatable()
        except FalconeriError:  # the one of the call itself says more
            return False


class _Refused(Exception):
    def __init__(self, error: FalconeriError, retry_after_s: float) -> None:
        super().__init__(error)
        self.error = error
        self.retry_after_s = retry_after_s


def _refusal(response: Response) -> _Refused:
    return _Refused(answers.error_of(response), answers.retry_after_s(response))


def _checked(url: str) -> str:
    """Return the URL with a slash at its end; credentials don't belong into it."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in _DEFAULT_PORTS and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    else:
        valid = valid and not (parts.query or parts.fragment or parts.username)
    if not valid:
        raise InvalidArgument("not falconerid's URL", detail=repr(url), hint="http://host:port/")
    return url if url.endswith("/") else url + "/"
