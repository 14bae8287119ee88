"""Requests for a new job whose answer is lost: there is one job, and it is learned of."""

from __future__ import annotations

import uuid
from collections.abc import Generator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from falconeri.client.jobs import JobsClient
from falconeri.client.retry import RetryPolicy
from falconeri.client.transport import Transport
from falconeri.errors import RequestKeyReused, StorageError, Unavailable
from falconeri.wire.spec import PipelineSpec
from tests.client.losing_proxy import losing_proxy
from tests.client.server import Chunks, Reply, Seen, Server, of_json, serving
from tests.client.test_jobs import JOB, JOB_ID, SPEC
from tests.databases import fresh_database
from tests.server.conftest import spec
from tests.server.falconerid import PASSWORD, Falconerid, running


@pytest.fixture(scope="module")
def falconerid(tmp_path_factory: pytest.TempPathFactory) -> Generator[Falconerid]:
    with fresh_database() as url, running(url, tmp_path_factory.mktemp("state")) as server:
        yield server


def client(url: str, *, tries: int = 100) -> JobsClient:
    retries = RetryPolicy(deadline_s=30.0, base_s=0.001, cap_s=0.001, tries=tries)
    rest = Transport(url, PASSWORD, timeout_s=30.0, retries=retries)
    return JobsClient(rest, rest)


def a_spec(folder: Path, name: str) -> PipelineSpec:
    return msgspec.convert(spec(folder, 1) | {"pipeline": {"name": name}}, PipelineSpec)


# --- A real falconerid behind a network that loses answers ------------------------------


def test_job_whose_answer_was_lost_is_made_once(falconerid: Falconerid, tmp_path: Path) -> None:
    name = f"lost-{uuid.uuid4().hex[:12]}"
    with losing_proxy(falconerid.port, losses=2) as proxy:
        calls = client(proxy.url)

        job = calls.create_job(a_spec(tmp_path, name))

        assert proxy.losses == 0
        assert [found.id for found in calls.iter_jobs(name=name)] == [job.id]


def test_retry_whose_answer_was_lost_makes_one_job(falconerid: Falconerid, tmp_path: Path) -> None:
    name = f"lost-{uuid.uuid4().hex[:12]}"
    with losing_proxy(falconerid.port, losses=0) as proxy:
        calls = client(proxy.url)
        old = calls.create_job(a_spec(tmp_path, name))
        calls.cancel_job(old.id)
        proxy.losses = 1

        new = calls.retry_job(old.id, parallelism=2)

        assert proxy.losses == 0
        assert [found.id for found in calls.iter_jobs(name=name)] == [new.id, old.id]


def test_same_key_gets_the_same_job_for_the_same_spec_only(
    falconerid: Falconerid, tmp_path: Path
) -> None:
    calls = client(f"http://127.0.0.1:{falconerid.port}/")
    key, wanted = uuid.uuid4().hex, a_spec(tmp_path, "keyed")

    first, second = (calls.create_job(wanted, key=key) for _ in range(2))

    assert first.id == second.id != calls.create_job(wanted).id
    with pytest.raises(RequestKeyReused):
        calls.create_job(a_spec(tmp_path, "other"), key=key)


# --- What is sent again, and what isn't -------------------------------------------------

OURS = Reply(200, b"0.1.0", {"Falconeri-Features": "more, idempotency-key"})
ORIGINALS = Reply(200, b"2.0.0-alpha.5")


def script(version: Reply, *answers: Reply | None) -> Any:  # noqa: ANN401 - a script
    """Answer `/version` always in the same way, and what else is asked in turn."""
    remaining = list(answers)

    def answer(seen: Seen) -> Reply | Chunks | None:
        return version if seen.path == "/version" else remaining.pop(0)

    return answer


def posts(server: Server) -> list[Seen]:
    return [seen for seen in server.seen if seen.method == "POST"]


@pytest.mark.parametrize("first", [None, Reply(503), Reply(503, b"", {"Retry-After": "0"})])
def test_request_is_repeated_with_its_key(first: Reply | None) -> None:
    with serving(script(OURS, first, None, of_json({"job": JOB}))) as server:
        assert client(server.url).create_job(msgspec.convert(SPEC, PipelineSpec)).id == JOB_ID

    assert len(posts(server)) == 3
    assert len({(seen.headers["Idempotency-Key"], seen.body) for seen in posts(server)}) == 1
    assert len(server.seen) == 4


def test_each_request_has_a_key_of_its_own() -> None:
    with serving(script(OURS, *[of_json({"job": JOB})] * 3)) as server:
        calls = client(server.url)
        for _ in range(2):
            calls.create_job(msgspec.convert(SPEC, PipelineSpec))
        calls.retry_job(JOB_ID)

    assert len({seen.headers["Idempotency-Key"] for seen in posts(server)}) == 3
    assert len(server.seen) == 3


@pytest.mark.parametrize("version", [ORIGINALS, Reply(404), Reply(500)])
def test_falconerid_that_knows_no_keys_is_asked_once(version: Reply) -> None:
    for first in (None, Reply(503)):
        with serving(script(version, first, first)) as server:
            calls = client(server.url, tries=2)
            with pytest.raises(Unavailable, match="may have been created"):
                calls.create_job(msgspec.convert(SPEC, PipelineSpec))
            with pytest.raises(Unavailable, match="may have been created"):
                calls.retry_job(JOB_ID)
        assert [seen.path for seen in posts(server)] == ["/jobs", f"/jobs/{JOB_ID}/retry"]


def test_store_that_cannot_be_listed_is_not_tried_again() -> None:
    body = {"code": "storage_error", "message": "storage error"}
    with serving(script(OURS, of_json(body, 502))) as server, pytest.raises(StorageError):
        client(server.url).create_job(msgspec.convert(SPEC, PipelineSpec))
    assert len(server.seen) == 1
