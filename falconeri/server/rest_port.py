"""The REST port: Waitress, with what it lacks: total time limits, and a gentle stop.

Waitress drops a connection that is silent. One that sends a byte now and then, or takes no byte of
its answer, would stay for ever: here each request has so long to arrive, and each answer must move.
"""

from __future__ import annotations

import logging
import select
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import TcpWSGIServer, create_server
from waitress.task import ErrorTask, WSGITask

from falconeri.log import get_logger
from falconeri.server.edge import HEADER, request_id
from falconeri.server.exchange import MAX_BODY_BYTES
from falconeri.server.refusals import OTHER_VERSION, VERSIONS, http_error
from falconeri.wire import codec

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
"""The same when three quarters of the connections are taken, and then also of a connection between
two requests: who opens thousands and sends nothing more keeps nobody else out."""

STALL_LIMIT_S = 60.0
"""How long a client may take nothing of its answer."""

IDLE_LIMIT_S = 120
"""How long a connection between two requests is kept. Our clients drop theirs within ten seconds:
the loop looks at each in each turn, and 4,000 idle ones halved the requests per second."""

UNREAD_BYTES = 65536
"""Of a client that has not taken so much of its answers no further request is begun. Otherwise it
could send hundreds at once, read nothing, and hold a thread until it is dropped."""

DRAIN_S = 25.0
"""How long requests in flight may take when the server stops; Kubernetes kills after 30."""

LINGER_S = 1.0
"""How long connections between two requests are kept then: who sends one after the other is told
with the next answer to go elsewhere. Without it three of six busy clients lost a request."""

_THREADS_END_S = 1.0
"""How long the threads may take to end then; one that takes longer hangs in a call."""

_SWEEP_S = 0.5


class RestServer:
    """Waitress on sockets that are bound already.

    Args:
        request_limit_s: How long a request may take to arrive, header and body together; an answer
            may not stand still for longer, either.
        connections: At most so many at once.
    """

    def __init__(
        self,
        app: Wsgi,
        sockets: Sequence[socket.socket],
        *,
        threads: int,
        request_limit_s: float,
        connections: int = CONNECTIONS,
    ) -> None:
        # Its warning "task queue depth" is one line for each request that waits a moment.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        self._request_limit_s = request_limit_s
        self._header_limit_s = min(HEADER_LIMIT_S, request_limit_s)
        self._stall_limit_s = min(STALL_LIMIT_S, request_limit_s)
        self._crowd = connections * 3 // 4
        self._swept_at = 0.0
        self._map: dict[int, Any] = {}
        self._dispatcher: Any = create_server(
            app,
            map=self._map,
            sockets=list(sockets),
            threads=threads,
            connection_limit=connections,
            asyncore_use_poll=True,  # select() ends at descriptor 1024
            backlog=1024,  # the loop accepts one a turn: thousands may come again at once
            channel_timeout=IDLE_LIMIT_S,
            max_request_body_size=MAX_BODY_BYTES + 1,  # the least that it refuses
            max_request_header_size=16384,  # not 256 KiB: ours are a few hundred bytes
            ident=None,  # no `Server` in each answer
        ).task_dispatcher
        for server in self._servers():
            server.channel_class = _Channel
            server.draining = False

    def run_until(self, stop: threading.Event) -> None:
        """Serve until `stop`; then `drain`."""
        while not stop.is_set():
            self._turn(0.5)

    def drain(self) -> None:
        """Accept nobody any more; answer what comes on the connections that there are."""
        for server in self._servers():
            server.draining = True
            waiting = select.poll()
            waiting.register(server.socket, select.POLLIN)
            while waiting.poll(0):  # they would be reset, perhaps with a request on its way
                server.handle_accept()
            server.close()
        began = time.monotonic()
        while channels := self._channels():
            drained_s = time.monotonic() - began
            busy = any(channel.is_busy() for channel in channels)
            if drained_s > (DRAIN_S if busy else LINGER_S):
                break
            self._turn(0.05)
        self._dispatcher.shutdown(timeout=_THREADS_END_S)
        wasyncore.close_all(self._map)

    def _turn(self, timeout_s: float) -> None:
        wasyncore.loop(timeout=timeout_s, use_poll=True, map=self._map, count=1)
        now = time.monotonic()
        if now - self._swept_at >= _SWEEP_S:
            self._swept_at = now
            self._sweep(now)

    def _sweep(self, now: float) -> None:
        """Drop who is too slow."""
        channels = self._channels()
        limits = _Limits(
            header_s=self._header_limit_s,
            request_s=self._request_limit_s,
            stall_s=self._stall_limit_s,
            idle_s=IDLE_LIMIT_S,
        )
        if len(channels) > self._crowd:
            limits = replace(limits, header_s=CROWDED_LIMIT_S, idle_s=CROWDED_LIMIT_S)
        for channel in channels:
            if reason := channel.slow(now, limits):
                log.info("client_dropped", reason=reason, peer=channel.addr[0])
                # Not by its flag `will_close`: that is looked at when the client reads.
                channel.handle_close()

    def _servers(self) -> list[Any]:
        return [item for item in self._map.values() if isinstance(item, TcpWSGIServer)]

    def _channels(self) -> list[_Channel]:
        return [item for item in self._map.values() if isinstance(item, _Channel)]


@dataclass(frozen=True)
class _Limits:
    """How long what may take; see the constants above."""

    header_s: float
    request_s: float
    stall_s: float
    idle_s: float


class _Parser(HTTPRequestParser):
    """Refuses a request whose end two readers could see in two places, and other protocols."""

    version: str

    def parse_header(self, header_plus: bytes) -> None:
        try:
            super().parse_header(header_plus)
        except ValueError as ex:  # of urlsplit, and of a length of thousands of digits
            raise ParsingError("Unreadable request") from ex
        if self.version not in VERSIONS:
            raise ParsingError(OTHER_VERSION)
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
        body = codec.encode(http_error(error.code, error.body))
        key = request_id(self.request.headers.get("X_REQUEST_ID"))
        self.status = f"{error.code} {error.reason}"
        self.response_headers = [("Content-Type", "application/json"), (HEADER, key)]
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class _Task(WSGITask):
    """Keeps the connection after an answer that has no body; Waitress misses its length.

    Ends it after any answer when the server is about to stop.
    """

    channel: Any
    request: Any

    def build_response_header(self) -> bytes:
        """Tell the client whether the connection will be kept."""
        if self.channel.server.draining:
            super().set_close_on_finish()
        header: bytes = super().build_response_header()
        return header

    def set_close_on_finish(self) -> None:
        """Have the connection closed after this answer, if there is a reason."""
        if self.has_body or self.version != "1.1" or self.request.connection_close:
            super().set_close_on_finish()


class _Channel(HTTPChannel):
    """A connection that knows since when its present request has been arriving."""

    server: Any
    parser_class = _Parser
    task_class = _Task
    error_task_class = _ErrorTask

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - waitress is untyped
        super().__init__(*args, **kwargs)
        self._arriving: Any = None
        self._since: float | None = time.monotonic()
        """Of the request that is arriving, and of a connection on which none has come."""
        self._postponed = False
        """Requests have arrived that are begun when earlier answers are taken."""
        self._sending = False
        """A thread is sending what there is to send."""

    def received(self, data: bytes) -> bool:
        """Take what the client has sent."""
        taken: bool = super().received(data)
        if self.request is None:
            self._arriving = self._since = None
        elif self.request is not self._arriving:
            began = self._since if self._arriving is None else None
            self._arriving, self._since = self.request, began or time.monotonic()
        return taken

    def service(self) -> None:
        """Answer a request, in a thread: now, or when earlier answers are taken."""
        with self.outbuf_lock:
            self._postponed = self.connected and self.total_outbufs_len >= UNREAD_BYTES
        if not self._postponed:
            super().service()

    def write_soon(self, data: Any) -> int:  # noqa: ANN401 - bytes, or a buffer of waitress'
        """Send a part of an answer, in a thread, or keep what the client doesn't take yet."""
        # With more than that, the thread waits until the main loop has sent some.
        self._sending = self.total_outbufs_len <= self.adj.outbuf_high_watermark
        try:
            written: int = super().write_soon(data)
        finally:
            self._sending = False
        if self.total_outbufs_len:
            self.server.pull_trigger()  # the rest is the main loop's
        return written

    def writable(self) -> bool:
        """Whether the main loop has something to send, or to end.

        While a thread sends, it has not. Waitress' own answer is yes: then the loop turns without a
        pause, for nothing, as long as the thread waits for the interpreter, which the loop keeps
        busy. With 128 connections that left a third of the requests per second.
        """
        return not self._sending and bool(super().writable())

    def handle_write(self) -> None:
        """Send what the client takes."""
        super().handle_write()
        if self._postponed:
            with self.outbuf_lock:
                self._postponed = self.connected and self.total_outbufs_len >= UNREAD_BYTES
            if not self._postponed:
                self.server.add_task(self)

    def slow(self, now: float, limits: _Limits) -> str:
        """Why this client is to be dropped; empty if it isn't."""
        if self._since is not None:
            header = self.request is None or not self.request.headers_finished
            if now - self._since > (limits.header_s if header else limits.request_s):
                return "slow_header" if header else "slow_body"
        # Its clock is the wall's; a jump of an hour drops who was reading just then.
        quiet_s = time.time() - self.last_activity
        if self.total_outbufs_len and quiet_s > limits.stall_s:
            return "slow_reader"
        return "idle" if quiet_s > limits.idle_s and not self.is_busy() else ""

    def is_busy(self) -> bool:
        """Whether it has a request in work or an answer on its way."""
        return bool(self.requests or self.request or self.total_outbufs_len)
