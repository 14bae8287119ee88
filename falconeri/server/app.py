"""The REST API's table of routes, on WSGI. Called by `serve` and by the tests."""

from __future__ import annotations

from typing import Any

import falcon

from falconeri.errors import FalconeriError
from falconeri.server import datums, exchange, jobs, meta, work
from falconeri.server.auth import Authenticator
from falconeri.server.services import Services


class Authentication:
    """Sets `req.context.caller` for every resource that isn't public.

    After routing, so that an unknown path is 404 also without credentials, as the original's.
    """

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    def process_resource(
        self, req: falcon.Request, resp: falcon.Response, resource: object, params: dict[str, Any]
    ) -> None:
        """Check the credentials."""
        del resp, params
        if not getattr(resource, "public", False):
            req.context.caller = self._authenticator.caller(req.auth)


def make_app(services: Services) -> falcon.App[falcon.Request, falcon.Response]:
    """The WSGI application."""
    app = falcon.App(middleware=[Authentication(services.authenticator)])
    app.req_options.strip_url_path_trailing_slash = False
    app.add_error_handler(Exception, _on_defect)
    app.add_error_handler(falcon.HTTPError, _on_http_error)
    app.add_error_handler(FalconeriError, _on_error)

    app.add_route("/version", meta.Version())
    app.add_route("/healthz", meta.Health())

    app.add_route("/jobs", jobs.Jobs(services))
    app.add_route("/jobs/list", jobs.JobList(services))
    app.add_route("/jobs/{job_id}", jobs.Job(services))
    app.add_route("/jobs/{job_id}/describe", jobs.JobDescribe(services))
    app.add_route("/jobs/{job_id}/progress", jobs.JobProgress(services))
    app.add_route("/jobs/{job_id}/retry", jobs.JobRetry(services))
    app.add_route("/jobs/{job_id}/cancel", jobs.JobCancel(services))
    app.add_route("/datums/{datum_id}/describe", datums.DatumDescribe(services))

    app.add_route("/jobs/{job_id}/workers", work.Workers(services))
    app.add_route("/jobs/{job_id}/claim", work.Claims(services))
    app.add_route("/jobs/{job_id}/heartbeat", work.Heartbeats(services))
    app.add_route("/datums/{datum_id}/complete", work.Completions(services))
    app.add_route("/datums/{datum_id}/output_files", work.OutputFiles(services))

    app.add_route("/jobs/{job_id}/reserve_next_datum", datums.Reservations(services))
    app.add_route("/datums/{datum_id}", datums.DatumUpdates(services))
    return app


def _on_error(
    _req: falcon.Request, resp: falcon.Response, error: FalconeriError, _params: dict[str, Any]
) -> None:
    exchange.send_error(resp, error)


def _on_http_error(
    _req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError, _params: dict[str, Any]
) -> None:
    exchange.send_http_error(resp, error)


def _on_defect(
    req: falcon.Request, resp: falcon.Response, _error: Exception, _params: dict[str, Any]
) -> None:
    exchange.send_defect(req, resp)
