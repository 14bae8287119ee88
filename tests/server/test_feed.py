"""The hub's looks at watched jobs: when there is one, and who is told. Without HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID

import pytest

from falconeri.server import feed
from falconeri.server.bulletin import Bulletin
from falconeri.server.feed import Watch
from falconeri.server.hub import Hub
from tests.server.conftest import MakeJob
from tests.server.falconerid import Falconerid
from tests.server.test_waiting import claim

LIMIT_S = 30


@asynccontextmanager
async def running(falconerid: Falconerid) -> AsyncGenerator[Hub]:
    """A hub of our own at the server's database."""
    hub = Hub(falconerid.database_url)
    running = asyncio.create_task(hub.run())
    try:
        async with asyncio.timeout(LIMIT_S):
            yield hub
    finally:
        running.cancel()
        await asyncio.wait({running})


async def post(falconerid: Falconerid, path: str) -> None:
    assert (await asyncio.to_thread(falconerid.call, "POST", path)).status == 200


async def called(watch: Watch) -> Bulletin:
    """What it is told next."""
    assert await watch.wait(LIMIT_S)
    assert watch.bulletin is not None
    return watch.bulletin


@pytest.fixture
def seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """No look at all jobs but the first one, and no mere progress is told."""
    monkeypatch.setattr(feed, "LOOK_EVERY_S", 1000.0)


def test_change_of_a_job_is_told_without_waiting_for_the_next_look(
    falconerid: Falconerid, make_job: MakeJob, seldom: None
) -> None:
    del seldom
    job_id = make_job()["id"]

    async def watch() -> None:
        async with running(falconerid) as hub:
            place = await hub.feed.watch(UUID(job_id))
            await place.wait(0)
            await post(falconerid, f"/jobs/{job_id}/cancel")
            while (await called(place)).state.status != "canceled":
                pass

    asyncio.run(watch())


def test_progress_is_told_at_most_so_often_but_a_state_at_once(
    falconerid: Falconerid, make_job: MakeJob, seldom: None
) -> None:
    del seldom
    job_id = make_job(2)["id"]

    async def watch() -> None:
        async with running(falconerid) as hub:
            place = await hub.feed.watch(UUID(job_id))
            first = place.bulletin
            await asyncio.to_thread(claim, falconerid, job_id, "pod-a")
            other = UUID((await asyncio.to_thread(make_job))["id"])
            hub.feed.look_at(UUID(job_id))
            await hub.feed.watch(other)  # the same look, or a later one
            assert place.bulletin is first
            await post(falconerid, f"/jobs/{job_id}/pause")
            hub.feed.look_at(UUID(job_id))
            while not (await called(place)).state.paused:
                pass
            assert place.bulletin is not None
            assert place.bulletin.counts.running == 1

    asyncio.run(watch())


def test_all_jobs_are_looked_at_however_many_fit_into_a_query(
    falconerid: Falconerid, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "BATCH", 1)
    job_ids = [UUID(make_job()["id"]) for _ in range(3)]

    async def watch() -> None:
        async with running(falconerid) as hub:
            places = await asyncio.gather(*map(hub.feed.watch, job_ids))
            for job_id, place in zip(job_ids, places, strict=True):
                await place.wait(0)
                await asyncio.to_thread(claim, falconerid, str(job_id), "pod-a")
            for place in places:
                while (await called(place)).counts.running != 1:
                    pass

    asyncio.run(watch())


def test_closing_sends_all_watchers_away(falconerid: Falconerid, make_job: MakeJob) -> None:
    job_id = UUID(make_job()["id"])

    async def watch() -> None:
        async with running(falconerid) as hub:
            places = [await hub.feed.watch(job_id) for _ in range(2)]
            hub.close()
            assert all(place.over for place in places)

    asyncio.run(watch())
