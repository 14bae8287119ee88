"""What anybody may ask falconerid about itself."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import falcon

from falconeri import __version__
from falconeri.errors import Unavailable
from falconeri.server import exchange
from falconeri.server.metrics import CONTENT_TYPE
from falconeri.server.operation import Access, operation
from falconeri.wire import features
from falconeri.wire.records import Health as HealthAnswer

if TYPE_CHECKING:
    from falconeri.server.services import Services


class _Meta:
    """What all of them have: the services."""

    def __init__(self, services: Services) -> None:
        self._services = services


class Version(_Meta):
    """`/version`."""

    @operation(Access.PUBLIC, answers=str, media_type="text/plain")
    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        """The version of falconerid.

        The header `Falconeri-Features` has words for what a falconerid of the original ignores, so
        that a client knows what it may rely on: `idempotency-key` and `plan`.
        """
        resp.set_header(features.HEADER, features.written(features.ALL))
        resp.text = __version__
        resp.content_type = "text/plain; charset=utf-8"


class Health(_Meta):
    """`/healthz`."""

    @operation(Access.PUBLIC, answers=HealthAnswer)
    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        """Whether this process answers requests; says nothing about the database."""
        exchange.answer(resp, HealthAnswer(status="ok"))


class Ready(_Meta):
    """`/readyz`."""

    @operation(Access.PUBLIC, answers=HealthAnswer)
    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        """Whether requests can be served: the database answers and has this version's schema."""
        if refusal := self._services.readiness.refusal():
            raise Unavailable("not ready", detail=refusal)
        exchange.answer(resp, HealthAnswer(status="ok"))


class MetricsText(_Meta):
    """`/metrics`."""

    @operation(Access.READ, answers=str, media_type="text/plain")
    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        """What Prometheus scrapes: of this process, and of the work that waits."""
        resp.data = self._services.metrics.text()
        resp.content_type = CONTENT_TYPE


class OpenApi(_Meta):
    """`/api-docs/openapi.json`."""

    @operation(Access.PUBLIC, answers=dict[str, Any])
    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        """The OpenAPI 3.1 document of this API."""
        exchange.answer(resp, _document())


class ApiDocs(_Meta):
    """`/api-docs`."""

    @operation(Access.PUBLIC, answers=str, media_type="text/html")
    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        """The same as a page for people."""
        resp.text = _page()
        resp.content_type = "text/html; charset=utf-8"


@cache
def _document() -> dict[str, Any]:
    # Made when first asked for, of the table of routes, which names this module.
    from falconeri.server.app import ROUTES  # noqa: PLC0415
    from falconeri.server.openapi import document  # noqa: PLC0415
    from falconeri.server.waiting import ROUTES as WAITING_ROUTES  # noqa: PLC0415

    return document((*ROUTES, *WAITING_ROUTES))


@cache
def _page() -> str:
    from falconeri.server.docs_page import page  # noqa: PLC0415

    return page(_document())
