"""What anybody may ask falconerid about itself."""

from __future__ import annotations

import falcon

from falconeri import __version__
from falconeri.server import exchange


class Version:
    """`GET /version`: the version as plain text."""

    public = True

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        """Answer it."""
        resp.text = __version__
        resp.content_type = "text/plain; charset=utf-8"


class Health:
    """`GET /healthz`: this process answers requests."""

    public = True

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        """Answer it."""
        exchange.answer(resp, {"status": "ok"})
