"""The REST port: Waitress, with what it lacks: total time limits, and a gentle stop.

Waitress drops a connection that is silent. One that sends a byte now and then, or takes no byte of
its answer, would stay for ever: here each request has so long to arrive, and each answer must move.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import TcpWSGIServer, create_server
from waitress.task import ErrorTask

from falconeri.log import get_logger
from falconeri.server.edge import HEADER, request_id
from falconeri.server.exchange import MAX_BODY_BYTES
from falconeri.wire import codec
from falconeri.wire.records import ErrorBody

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from falconeri.server.edge import Wsgi

log = get_logger(__name__)

CONNECTIONS = 4000
"""At most so many at once; Waitress' own limit of 100 is one of clients that keep theirs."""

HEADER_LIMIT_S = 10.0
"""How long a header may take, and a new connection until its first one is there."""

CROWDED_LIMIT_S = 1.0
"""The same when three quarters of the connections are taken: who opens thousands and sends nothing
keeps nobody else out."""

STALL_LIMIT_S = 60.0
"""How long a client may take nothing of its answer: it may hold a thread meanwhile."""

IDLE_LIMIT_S = 120

DRAIN_S = 25.0
"""How long requests in flight may take when the server stops; Kubernetes kills after 30."""

_SWEEP_S = 0.5


class RestServer:
    """Waitress on sockets that are bound already.

    Args:
        request_limit_s: How long a request may take to arrive, header and body together.
    """

    def __init__(
        self,
        app: Wsgi,
        sockets: Sequence[socket.socket],
        *,
        threads: int,
        request_limit_s: float,
    ) -> None:
        # Its warning "task queue depth" is one line for each request that waits a moment.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        self._request_limit_s = request_limit_s
        self._header_limit_s = min(HEADER_LIMIT_S, request_limit_s)
        self._swept_at = 0.0
        self._map: dict[int, Any] = {}
        self._dispatcher: Any = create_server(
            app,
            map=self._map,
            sockets=list(sockets),
            threads=threads,
            connection_limit=CONNECTIONS,
            asyncore_use_poll=True,  # select() ends at descriptor 1024
            backlog=1024,
            channel_timeout=IDLE_LIMIT_S,
            max_request_body_size=MAX_BODY_BYTES,
            max_request_header_size=16384,
            ident=None,
        ).task_dispatcher
        for server in self._servers():
            server.channel_class = _Channel

    def run_until(self, stop: threading.Event) -> None:
        """Serve until `stop`, then until the requests in flight are answered."""
        while not stop.is_set():
            self._turn(0.5)
        for server in self._servers():
            server.close()
        deadline = time.monotonic() + DRAIN_S
        while any(channel.is_busy() for channel in self._channels()):
            if time.monotonic() > deadline:
                break
            self._turn(0.1)
        self._dispatcher.shutdown()

    def _turn(self, timeout_s: float) -> None:
        wasyncore.loop(timeout=timeout_s, use_poll=True, map=self._map, count=1)
        now = time.monotonic()
        if now - self._swept_at >= _SWEEP_S:
            self._swept_at = now
            self._sweep(now)

    def _sweep(self, now: float) -> None:
        """Drop who is too slow."""
        channels = self._channels()
        crowded = len(channels) > CONNECTIONS * 3 // 4
        header_limit_s = CROWDED_LIMIT_S if crowded else self._header_limit_s
        for channel in channels:
            if reason := channel.slow(now, header_limit_s, self._request_limit_s):
                log.info("client_dropped", reason=reason, peer=channel.addr[0])
                # Not by its flag `will_close`: that is looked at when the client reads.
                channel.handle_close()

    def _servers(self) -> list[Any]:
        return [item for item in self._map.values() if isinstance(item, TcpWSGIServer)]

    def _channels(self) -> list[_Channel]:
        return [item for item in self._map.values() if isinstance(item, _Channel)]


class _Parser(HTTPRequestParser):
    """Refuses a request whose end two readers could see in two places."""

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        if "CONTENT_LENGTH" in self.headers and (
            self.chunked or "TRANSFER_ENCODING" in self.headers
        ):
            raise ParsingError("Content-Length together with Transfer-Encoding")


class _ErrorTask(ErrorTask):
    """Answers what the application never sees (too large, not HTTP) in the form of our errors."""

    request: Any

    def execute(self) -> None:
        """Write the answer."""
        error = self.request.error
        body = codec.encode(
            ErrorBody(code=f"http_{error.code}", message=error.reason, detail=error.body)
        )
        key = request_id(self.request.headers.get("X_REQUEST_ID"))
        self.status = f"{error.code} {error.reason}"
        self.response_headers = [("Content-Type", "application/json"), (HEADER, key)]
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class _Channel(HTTPChannel):
    """A connection that knows since when its present request has been arriving."""

    parser_class = _Parser
    error_task_class = _ErrorTask

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - waitress is untyped
        super().__init__(*args, **kwargs)
        self._arriving: Any = None
        self._since: float | None = time.monotonic()
        """Of the request that is arriving, and of a connection on which none has come."""

    def received(self, data: bytes) -> bool:
        """Take what the client has sent."""
        taken: bool = super().received(data)
        if self.request is None:
            self._arriving = self._since = None
        elif self.request is not self._arriving:
            began = self._since if self._arriving is None else None
            self._arriving, self._since = self.request, began or time.monotonic()
        return taken

    def slow(self, now: float, header_limit_s: float, request_limit_s: float) -> str:
        """Why this client is to be dropped; empty if it isn't."""
        if self._since is not None:
            header = self.request is None or not self.request.headers_finished
            if now - self._since > (header_limit_s if header else request_limit_s):
                return "slow_header" if header else "slow_body"
        # Its clock is the wall's; a jump of an hour drops who was reading just then.
        if self.total_outbufs_len and time.time() - self.last_activity > STALL_LIMIT_S:
            return "slow_reader"
        return ""

    def is_busy(self) -> bool:
        """Whether it has a request in work or an answer on its way."""
        return bool(self.requests or self.request or self.total_outbufs_len)
