"""Whether the client of a request on the waiting port is still there: ASGI's `receive` tells."""

from __future__ import annotations

from typing import Any

import falcon.asgi

_RECEIVE = "falconeri.receive"


def keep(scope: Any, receive: Any) -> None:  # noqa: ANN401 - ASGI is a protocol of dictionaries
    """Note where to ask, since falcon hides it from the responders."""
    scope[_RECEIVE] = receive


async def disconnect(req: falcon.asgi.Request) -> None:
    """Return when the client has gone; the body has been read before."""
    while (await req.scope[_RECEIVE]())["type"] != "http.disconnect":
        pass
