"""The REST API's table of routes, on WSGI. Called by `serve` and by the tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import falcon

from falconeri.errors import FalconeriError
from falconeri.server import controls, datums, exchange, jobs, listings, meta, work
from falconeri.server.auth import Authenticator
from falconeri.server.edge import Wsgi, around_wsgi, at_end
from falconeri.server.metrics import Metrics
from falconeri.server.operation import operation_of
from falconeri.server.services import Services
from falconeri.server.slots import Slots

ROUTES: tuple[tuple[str, Callable[[Services], object]], ...] = (
    ("/version", meta.Version),
    ("/healthz", meta.Health),
    ("/readyz", meta.Ready),
    ("/metrics", meta.MetricsText),
    ("/api-docs", meta.ApiDocs),
    ("/api-docs/openapi.json", meta.OpenApi),
    ("/jobs", jobs.Jobs),
    ("/jobs/list", jobs.JobList),
    ("/jobs/{job_id}", jobs.Job),
    ("/jobs/{job_id}/describe", jobs.JobDescribe),
    ("/jobs/{job_id}/progress", jobs.JobProgress),
    ("/jobs/{job_id}/datums", listings.JobDatums),
    ("/jobs/{job_id}/outputs", listings.JobOutputs),
    ("/jobs/{job_id}/retry", controls.JobRetry),
    ("/jobs/{job_id}/cancel", controls.JobCancel),
    ("/jobs/{job_id}/pause", controls.JobPause),
    ("/jobs/{job_id}/resume", controls.JobResume),
    ("/jobs/{job_id}/parallelism", controls.JobParallelism),
    ("/jobs/{job_id}/workers", work.Workers),
    ("/jobs/{job_id}/claim", work.Claims),
    ("/jobs/{job_id}/heartbeat", work.Heartbeats),
    ("/jobs/{job_id}/reserve_next_datum", datums.Reservations),
    ("/datums/{datum_id}", datums.DatumUpdates),
    ("/datums/{datum_id}/describe", datums.DatumDescribe),
    ("/datums/{datum_id}/attempts", listings.DatumAttempts),
    ("/datums/{datum_id}/complete", work.Completions),
    ("/datums/{datum_id}/tries_left", work.Tries),
    ("/datums/{datum_id}/output_files", work.OutputFiles),
)
"""Every path of the REST port; those of the waiting port are in `falconeri.server.waiting`."""


class _Authentication:
    """Lets in whom the endpoint is for.

    After routing, so that an unknown path is 404 also without credentials, as the original's.
    """

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    def process_resource(
        self, req: falcon.Request, resp: falcon.Response, resource: object, params: dict[str, Any]
    ) -> None:
        """Check the credentials, and what they are good for."""
        del resp
        exchange.admit(self._authenticator, req, resource, params)


class _Measuring:
    """Counts all requests, also those of paths that there aren't."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Begin to measure; the end is when the whole answer is sent."""
        begun = self._metrics.begin(req.method)

        def end() -> None:
            self._metrics.end(begun, req.uri_template, resp.status_code)

        at_end(req.env).callback(end)


class _Lists:
    """Keeps those who read lists from taking all threads; after authentication."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots

    def process_resource(
        self, req: falcon.Request, resp: falcon.Response, resource: object, params: dict[str, Any]
    ) -> None:
        """Take a slot, if one is needed, until the whole answer is sent."""
        del resp, params
        declared = operation_of(resource, req.method)
        if declared is not None and declared.reads_lists:
            at_end(req.env).enter_context(self._slots.slot())


def make_app(services: Services) -> Wsgi:
    """The WSGI application."""
    app = falcon.App(
        middleware=[
            _Measuring(services.metrics),
            _Authentication(services.authenticator),
            _Lists(services.lists),
        ]
    )
    app.req_options.strip_url_path_trailing_slash = False
    app.add_error_handler(Exception, _on_defect)
    app.add_error_handler(falcon.HTTPError, _on_http_error)
    app.add_error_handler(FalconeriError, _on_error)
    for path, resource in ROUTES:
        app.add_route(path, _with_head(resource(services)))
    return around_wsgi(app)


def _with_head(resource: Any) -> object:  # noqa: ANN401 - any resource
    """Whoever may GET may ask for the HEAD of it."""
    if hasattr(resource, "on_get"):
        resource.on_head = resource.on_get
    return resource


def _on_error(
    req: falcon.Request, resp: falcon.Response, error: FalconeriError, _params: dict[str, Any]
) -> None:
    if error.code == FalconeriError.code:
        exchange.send_defect(req, resp)
    else:
        exchange.send_error(resp, error)


def _on_http_error(
    _req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError, _params: dict[str, Any]
) -> None:
    exchange.send_http_error(resp, error)


def _on_defect(
    req: falcon.Request, resp: falcon.Response, _error: Exception, _params: dict[str, Any]
) -> None:
    exchange.send_defect(req, resp)
