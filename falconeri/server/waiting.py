"""The waiting port: endpoints that answer when something happens, or when their time is over.

A Falcon ASGI application, since a waiting client must cost a few kilobytes and no thread. A client
that goes away is noticed at once: nobody claims for it any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, TypeVar
from uuid import UUID

import falcon
import falcon.asgi
from msgspec import Meta

from falconeri.db import jobs as db_jobs
from falconeri.errors import BadRequest, FalconeriError, InvalidArgument, JobNotFound
from falconeri.server import exchange, presence
from falconeri.server.auth import Authenticator
from falconeri.server.edge import around_asgi
from falconeri.server.events import JobEvents
from falconeri.server.hub import Hub
from falconeri.server.metrics import Metrics
from falconeri.server.operation import Access, Query, operation
from falconeri.server.refusals import OTHER_VERSION, VERSIONS, http_error, refuse
from falconeri.server.services import Services
from falconeri.wire import codec
from falconeri.wire.records import Progress, WaitAnswer
from falconeri.wire.work import MAX_HOLD_S, WaitForWork, WorkAnswer, WorkerIdentity

T = TypeVar("T")

MAX_BODY_BYTES = 64 * 2**10


class _Authentication:
    """As the REST port's, for ASGI."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    async def process_resource(
        self,
        req: falcon.asgi.Request,
        resp: falcon.asgi.Response,
        resource: object,
        params: dict[str, Any],
    ) -> None:
        """Check the credentials, and what they are good for."""
        del resp
        exchange.admit(self._authenticator, req, resource, params)


class _Measuring:
    """As the REST port's, for ASGI; a wait's length says nothing and isn't measured."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def process_request(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Note that it has come."""
        del resp
        req.context.begun = self._metrics.begin(req.method)

    async def process_response(
        self,
        req: falcon.asgi.Request,
        resp: falcon.asgi.Response,
        resource: object,
        req_succeeded: bool,  # noqa: FBT001 - falcon's signature
    ) -> None:
        """Note how it is answered."""
        del resource, req_succeeded
        # Falcon refuses methods that it doesn't know before it begins.
        if begun := req.context.get("begun"):
            self._metrics.end(begun, req.uri_template, resp.status_code, timed=False)


class _Framing:
    """Refuses a request whose end two readers could see in two places, as the REST port does."""

    async def process_request(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Look at its headers."""
        if req.get_header("Transfer-Encoding") and req.get_header("Content-Length"):
            resp.set_header("Connection", "close")
            raise BadRequest("Content-Length together with Transfer-Encoding")


class WorkWait:
    """`/jobs/{job_id}/wait_for_work`."""

    def __init__(self, hub: Hub, services: Services) -> None:
        del services
        self._hub = hub

    @operation(Access.WORK, JobNotFound, body=WaitForWork, answers=WorkAnswer, waiting=True)
    async def on_post(
        self, req: falcon.asgi.Request, resp: falcon.asgi.Response, job_id: str
    ) -> None:
        """Wait for a datum; `empty` when the time is over: ask again."""
        key = exchange.parse_uuid(job_id, "job_id")
        wish = codec.decode(await _read(req), WaitForWork)
        who = WorkerIdentity(wish.pod_name, wish.node_name, wish.rung)
        async with self._hub.worker(key, who) as future:
            work = await _first(req, future, wish.hold_s)
            if work is None:
                work = await self._hub.last_minute(key, who, future)
        exchange.answer(resp, work)


class JobWait:
    """`/jobs/{job_id}/wait`."""

    def __init__(self, hub: Hub, services: Services) -> None:
        self._hub = hub
        self._services = services

    @operation(
        Access.JOB,
        JobNotFound,
        answers=WaitAnswer,
        query=(
            Query(
                "hold_s",
                Annotated[float, Meta(ge=0, le=MAX_HOLD_S)],
                "Seconds until the answer at the latest; 25 if absent.",
            ),
        ),
        waiting=True,
    )
    async def on_get(
        self, req: falcon.asgi.Request, resp: falcon.asgi.Response, job_id: str
    ) -> None:
        """Wait for the job's end; its progress as it is when the time is over: ask again."""
        key = exchange.parse_uuid(job_id, "job_id")
        async with self._hub.watcher(key) as future:
            progress = await _first(req, future, _hold_s(req))
        exchange.answer(resp, WaitAnswer(progress or await asyncio.to_thread(self._progress, key)))

    def _progress(self, job_id: UUID) -> Progress:
        with self._services.db.connection() as conn:
            return db_jobs.job_progress(conn, job_id=job_id)


ROUTES: tuple[tuple[str, Callable[[Hub, Services], object]], ...] = (
    ("/jobs/{job_id}/wait_for_work", WorkWait),
    ("/jobs/{job_id}/wait", JobWait),
    ("/jobs/{job_id}/events", JobEvents),
)
"""Every path of the waiting port."""


def make_waiting_app(services: Services, hub: Hub) -> Any:  # noqa: ANN401 - an ASGI callable
    """The ASGI application."""
    app = falcon.asgi.App(
        middleware=[
            _Measuring(services.metrics),
            _Framing(),
            _Authentication(services.authenticator),
        ]
    )
    app.add_error_handler(Exception, _on_defect)
    app.add_error_handler(falcon.HTTPError, _on_http_error)
    app.add_error_handler(FalconeriError, _on_error)
    for path, resource in ROUTES:
        app.add_route(path, resource(hub, services))
    refuse_version = refuse(400, http_error(400, OTHER_VERSION))

    async def check_version(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401
        spoken = scope["http_version"] in VERSIONS
        await (app if spoken else refuse_version)(scope, receive, send)

    return around_asgi(check_version)


async def _first(req: falcon.asgi.Request, future: asyncio.Future[T], hold_s: float) -> T | None:
    """What the future brings; None when the time is over, the client is gone or the hub closes."""
    ends = (future, presence.gone(req))
    await asyncio.wait(ends, timeout=hold_s, return_when=asyncio.FIRST_COMPLETED)
    return future.result() if future.done() and not future.cancelled() else None


async def _read(req: falcon.asgi.Request) -> bytes:
    exchange.check_json(req.content_type)
    if (req.content_length or 0) > MAX_BODY_BYTES:
        raise falcon.HTTPContentTooLarge
    data = await req.stream.read(MAX_BODY_BYTES + 1)
    if len(data) > MAX_BODY_BYTES:
        raise falcon.HTTPContentTooLarge
    return data


def _hold_s(req: falcon.asgi.Request) -> float:
    try:
        hold_s = req.get_param_as_float("hold_s", default=25.0)
    except falcon.HTTPInvalidParam as ex:
        raise InvalidArgument(detail="hold_s is not a number") from ex
    if not 0 <= hold_s <= MAX_HOLD_S:
        raise InvalidArgument(detail=f"hold_s is not from 0 to {MAX_HOLD_S:.0f}")
    return hold_s


async def _on_error(
    req: falcon.asgi.Request,
    resp: falcon.asgi.Response,
    error: FalconeriError,
    _params: dict[str, Any],
) -> None:
    if error.code == FalconeriError.code:
        exchange.send_defect(req, resp)
    else:
        exchange.send_error(resp, error)


async def _on_http_error(
    _req: falcon.asgi.Request,
    resp: falcon.asgi.Response,
    error: falcon.HTTPError,
    _params: dict[str, Any],
) -> None:
    exchange.send_http_error(resp, error)


async def _on_defect(
    req: falcon.asgi.Request,
    resp: falcon.asgi.Response,
    _error: Exception,
    _params: dict[str, Any],
) -> None:
    exchange.send_defect(req, resp)
