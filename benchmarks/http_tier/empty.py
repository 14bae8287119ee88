"""A program: a Falcon application that does nothing, behind the same Waitress as falconerid's.

    python -m benchmarks.http_tier.empty

Its first line is its port; it says `ready` when that is open.
"""

from __future__ import annotations

import threading

import falcon

from benchmarks.http_tier import talk
from falconeri.server.rest_port import RestServer
from falconeri.server.serve import THREADS
from falconeri.server.sockets import allow_many, bound

HOST = "127.0.0.1"


class _Nothing:
    def on_post(self, _req: falcon.Request, resp: falcon.Response, **_params: str) -> None:
        resp.data = b"{}"
        resp.content_type = "application/json"


def main() -> None:
    """Serve until killed."""
    allow_many()
    app = falcon.App()
    app.add_route("/datums/{datum_id}/complete", _Nothing())
    sockets = bound(HOST, talk.hear(int), shared=False)
    server = RestServer(app, sockets, threads=THREADS, request_limit_s=60)
    talk.say("ready")
    server.run_until(threading.Event())


if __name__ == "__main__":
    main()
