"""Whether `falconerid tasks` still does its work: what a liveness probe asks.

A restart helps if the event loop hangs, or a pass that never ends keeps all others from beginning.
It brings no database and no API server back, so that their absence is no reason to ask for one.
Called by `run`, which beats and serves, and by `tasks`, which tells of the passes.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

EVERY_S = 5.0
"""How often the event loop beats."""

SILENT_S = 60.0
"""A loop that has not beaten for so long hangs."""

ENDLESS_S = 900.0
"""A pass that has taken so long will never end: a look around takes seconds."""


class Pulse:
    """What the process was last seen to do. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._beat_at = clock()
        self._pass_began: float | None = None

    def beat(self) -> None:
        """The event loop runs."""
        self._beat_at = self._clock()

    @contextmanager
    def passing(self) -> Generator[None]:
        """Around a pass, of which there is one at a time."""
        self._pass_began = self._clock()
        try:
            yield
        finally:
            self._pass_began = None

    def trouble(self) -> str | None:
        """What a restart would help against, or None."""
        now, began = self._clock(), self._pass_began
        if now - self._beat_at > SILENT_S:
            return f"the event loop has not run for {now - self._beat_at:.0f} s"
        if began is not None and now - began > ENDLESS_S:
            return f"a look around has not ended for {now - began:.0f} s"
        return None


@contextmanager
def serving(pulse: Pulse, host: str, port: int | None) -> Generator[int | None]:
    """Answer `GET /healthz` meanwhile: 200, or 503 with the trouble. Yields the port.

    Args:
        port: None: nobody asks; 0: any.

    Raises:
        OSError: Somebody else has the port.
    """
    if port is None:
        yield None
        return

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            trouble = pulse.trouble() if self.path == "/healthz" else "there is only /healthz"
            code = 404 if self.path != "/healthz" else 503 if trouble else 200
            body = json.dumps({"status": trouble or "ok"}).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as its base
            """Nobody wants to read of probes."""

    server = ThreadingHTTPServer((host, port), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="healthz", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
