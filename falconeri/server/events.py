"""`/jobs/{job_id}/events`: a job's state and progress as server-sent events, until it has ended."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Self

import falcon
import falcon.asgi

from falconeri.errors import JobNotFound
from falconeri.server import exchange, presence
from falconeri.server.bulletin import Bulletin
from falconeri.server.feed import Watch
from falconeri.server.hub import Hub
from falconeri.server.operation import Access, Query, operation
from falconeri.server.services import Services
from falconeri.wire.events import JobProgress, JobState

KEEP_ALIVE_S = 15.0
"""After so much silence a comment is sent: it keeps proxies patient, and finds who has gone."""

RETRY_MS = (1000, 3000)
"""How long a client should wait before it comes again; not all the same, as all come when a
falconerid stops."""

MEDIA_TYPE = "text/event-stream"


class JobEvents:
    """`/jobs/{job_id}/events`."""

    def __init__(self, hub: Hub, services: Services) -> None:
        del services
        self._feed = hub.feed

    @operation(
        Access.READ,
        JobNotFound,
        answers=JobState | JobProgress,
        media_type=MEDIA_TYPE,
        headers=(Query("Last-Event-ID", str, "The id of the last event that came, if any did."),),
        waiting=True,
    )
    async def on_get(
        self, req: falcon.asgi.Request, resp: falcon.asgi.Response, job_id: str
    ) -> None:
        """Watch a job: server-sent events `state` and `progress`, until it has ended.

        Both come at once, and again whenever they have changed: `progress` at most each second or
        so, `state` at the latest then. The last event is the `state` of the ended job; then the
        stream ends. If it ends before, come again. Events tell how things are, so nothing is
        missed by who comes late; with `Last-Event-ID`, what was told already is not repeated, and
        who was told of the job's end is answered 204, which makes an EventSource stop. A comment
        each 15 seconds says that the connection lives.
        """
        watch = await self._feed.watch(exchange.parse_uuid(job_id, "job_id"))
        first = watch.bulletin
        known = first is not None and req.get_header("Last-Event-ID") == first.id
        if first is None or (known and first.ended):
            watch.leave()
            resp.status = falcon.HTTP_204
            return
        resp.content_type = MEDIA_TYPE
        resp.set_header("Cache-Control", "no-store")
        resp.set_header("X-Accel-Buffering", "no")  # nginx would collect events before it sends any
        resp.stream = _Stream(req, watch, told=first if known else None)


class _Stream(AsyncIterator[bytes]):
    """The text of one stream; falcon closes it when it has ended in whatever way.

    It is asked for more only when the client has taken what there was.
    """

    def __init__(self, req: falcon.asgi.Request, watch: Watch, *, told: Bulletin | None) -> None:
        self._watch = watch
        self._told = told
        self._begun = False
        self._gone = presence.gone(req)
        self._gone.add_done_callback(self._end)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """What there is to tell, as soon as there is something.

        Raises:
            StopAsyncIteration: The job has ended, the client has gone, or this falconerid stops.
        """
        if not self._begun:
            self._begun = True
            return f"retry: {random.randint(*RETRY_MS)}\n\n".encode() + self._news()  # noqa: S311
        while not self._watch.over and not (self._told and self._told.ended):
            if not await self._watch.wait(KEEP_ALIVE_S):
                return b":\n\n"
            if news := self._news():
                return news
        raise StopAsyncIteration

    async def close(self) -> None:
        """Leave."""
        self._watch.leave()
        self._gone.remove_done_callback(self._end)

    def _end(self, _gone: asyncio.Future[None]) -> None:
        self._watch.call(over=True)

    def _news(self) -> bytes:
        bulletin = self._watch.bulletin
        text = bulletin.since(self._told) if bulletin else b""
        self._told = bulletin
        return text
