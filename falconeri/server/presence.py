"""Whether the client of a request on the waiting port is still there.

ASGI tells it to a task that awaits `receive` for as long as the request lasts. A future that the
connection resolves tells the same, and thousands of waiters then have one task each, not two.
"""

from __future__ import annotations

import asyncio
from typing import Any

import falcon.asgi

_GONE = "falconeri.gone"


def keep(scope: Any, gone: asyncio.Future[None]) -> None:  # noqa: ANN401 - ASGI's dictionary
    """Note with a request what its connection resolves when the client goes."""
    scope[_GONE] = gone


def gone(req: falcon.asgi.Request) -> asyncio.Future[None]:
    """Done when the client has gone. It is the connection's: not to be cancelled."""
    future: asyncio.Future[None] = req.scope[_GONE]
    return future
