"""The calls of people."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import msgspec
import pytest

from falconeri.client.jobs import JobsClient
from falconeri.client.retry import RetryPolicy
from falconeri.client.transport import Transport
from falconeri.errors import FalconeriError, InvalidInput, Unavailable
from falconeri.states import JobStatus
from falconeri.wire.spec import PipelineSpec
from tests.client.server import Reply, Server, in_turn, of_json, serving

JOB_ID = UUID("0b3c2c1e-7d0e-4b8e-9b1c-3f6f0c7a9a11")

JOB: dict[str, Any] = {
    "id": str(JOB_ID),
    "created_at": "2026-01-15T10:00:00.123456",
    "updated_at": "2026-01-15T10:00:00",
    "status": "running",
    "pipeline_spec": {},
    "job_name": "book-words-k3x9q0zt1b",
    "command": ["python3", "/x.py"],
    "egress_uri": "s3://b/words/",
}
"""As the original writes it."""

SPEC: dict[str, Any] = {
    "pipeline": {"name": "book_words"},
    "transform": {"cmd": ["python3", "/x.py"], "image": "r/i"},
    "parallelism_spec": {"constant": 10},
    "resource_requests": {"memory": "500Mi", "cpu": 1.2},
    "input": {"atom": {"URI": "s3://b/books/", "repo": "books", "glob": "/*"}},
    "egress": {"URI": "s3://b/words/"},
}


def progress(status: str, done: int) -> dict[str, Any]:
    counts = {"ready": 2 - done, "running": 0, "done": done, "error": 0, "canceled": 0}
    names = {"job_id": str(JOB_ID), "job_name": "j", "status": status}
    return {"progress": names | {"total": 2, "failed_attempts": 0, "recovered": 0} | counts}


def client(server: Server) -> JobsClient:
    retries = RetryPolicy(deadline_s=30.0, base_s=0.001, cap_s=0.001)
    rest = Transport(server.url, "secret", timeout_s=10.0, retries=retries)
    return JobsClient(rest, rest)


def test_a_job_is_found_by_name_and_by_id() -> None:
    with serving(in_turn(of_json({"job": JOB}))) as server:
        assert client(server).find_job("book-words-k3x9q0zt1b").id == JOB_ID
        assert client(server).get_job(JOB_ID).status is JobStatus.RUNNING
    assert [seen.path for seen in server.seen] == [
        "/jobs?job_name=book-words-k3x9q0zt1b",
        f"/jobs/{JOB_ID}",
    ]


def test_jobs_are_listed_and_canceled() -> None:
    with serving(in_turn(of_json({"jobs": [JOB, JOB]}), of_json({"job": JOB}))) as server:
        assert len(client(server).list_jobs()) == 2
        client(server).cancel_job(JOB_ID)
    assert [(seen.method, seen.path) for seen in server.seen] == [
        ("GET", "/jobs/list"),
        ("POST", f"/jobs/{JOB_ID}/cancel"),
    ]


def test_a_job_is_made_of_a_spec() -> None:
    spec = msgspec.convert(SPEC, PipelineSpec)
    with serving(in_turn(of_json({"job": JOB}))) as server:
        assert client(server).create_job(spec).id == JOB_ID
    [seen] = server.seen
    assert (seen.method, seen.path) == ("POST", "/jobs")
    assert json.loads(seen.body)["job"]["pipeline"] == {"name": "book_words"}


def test_a_retry_without_options_sends_no_body() -> None:
    with serving(in_turn(of_json({"job": JOB}))) as server:
        assert client(server).retry_job(JOB_ID).id == JOB_ID
        assert server.seen[-1].body == b""


def test_a_plan_is_asked_only_of_who_can_make_one() -> None:
    spec = msgspec.convert(SPEC, PipelineSpec)
    with serving(in_turn(Reply(200, b"2.0.0-alpha.5"))) as server:
        with pytest.raises(FalconeriError, match="can't plan"):
            client(server).plan_job(spec)
        assert [seen.path for seen in server.seen] == ["/version"]

    ours = Reply(200, b"0.1.0", {"Falconeri-Features": "idempotency-key, plan"})
    with serving(in_turn(ours, None, Reply(422))) as server:
        with pytest.raises(InvalidInput):
            client(server).plan_job(spec)
        assert [seen.path for seen in server.seen] == ["/version", *["/jobs?plan=1"] * 2]


def test_a_retry_sends_its_options() -> None:
    with serving(in_turn(of_json({"job": JOB}))) as server:
        client(server).retry_job(JOB_ID, matching="disk full", parallelism=0, datum_tries=5)
    assert [json.loads(seen.body) for seen in server.seen] == [
        {"matching": "disk full", "parallelism": 0, "datum_tries": 5}
    ]


def test_controls_are_calls_that_may_be_repeated() -> None:
    with serving(in_turn(of_json({"job": JOB | {"paused": True}}))) as server:
        calls = client(server)
        assert calls.pause_job(JOB_ID).paused
        calls.resume_job(JOB_ID)
        calls.scale_job(JOB_ID, 7)
    assert [(seen.method, seen.path, seen.body) for seen in server.seen] == [
        ("POST", f"/jobs/{JOB_ID}/pause", b""),
        ("POST", f"/jobs/{JOB_ID}/resume", b""),
        ("PUT", f"/jobs/{JOB_ID}/parallelism", b'{"parallelism":7}'),
    ]


def test_deleting_a_job_is_never_tried_twice() -> None:
    with serving(in_turn(None, Reply(204))) as server:
        with pytest.raises(Unavailable, match="may have been deleted"):
            client(server).delete_job(JOB_ID)
        assert len(server.seen) == 1
        client(server).delete_job(JOB_ID)
    assert [(seen.method, seen.path) for seen in server.seen] == [("DELETE", f"/jobs/{JOB_ID}")] * 2


def test_waiting_for_a_job_outlives_lost_connections_and_ends_with_the_job() -> None:
    answers = (of_json(progress("running", 0)), None, of_json(progress("done", 2)))
    with serving(in_turn(*answers)) as server:
        seen = [each.done for each in client(server).wait_for_job(JOB_ID, hold_s=5)]

    assert seen == [0, 2]
    assert [each.path for each in server.seen] == [f"/jobs/{JOB_ID}/wait?hold_s=5"] * 3


def test_the_version_is_text() -> None:
    with serving(in_turn(Reply(200, b"2.0.0-alpha.5"))) as server:
        assert client(server).version() == "2.0.0-alpha.5"
