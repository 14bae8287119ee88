"""Lists that come in pages, and one that comes as a stream."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest

from falconeri.client.jobs import JobsClient
from falconeri.client.retry import RetryPolicy
from falconeri.client.transport import Transport
from falconeri.errors import FalconeriError, JobNotFound, Unavailable
from falconeri.states import DatumStatus, JobStatus
from tests.client.server import Chunks, Reply, Server, in_turn, of_json, serving
from tests.client.test_jobs import JOB, JOB_ID

DATUM: dict[str, Any] = {
    "id": "0b3c2c1e-7d0e-4b8e-9b1c-3f6f0c7a9a12",
    "created_at": "2026-01-15T10:00:00",
    "updated_at": "2026-01-15T10:00:00",
    "status": "error",
    "job_id": str(JOB_ID),
    "error_message": "it broke",
    "node_name": None,
    "pod_name": None,
    "backtrace": None,
    "output": None,
    "attempted_run_count": 1,
    "maximum_allowed_run_count": 1,
}
LAST = "0b3c2c1e-7d0e-4b8e-9b1c-3f6f0c7a9a13"


def client(server: Server) -> JobsClient:
    retries = RetryPolicy(deadline_s=30.0, base_s=0.001, cap_s=0.001)
    rest = Transport(server.url, "secret", timeout_s=10.0, retries=retries)
    return JobsClient(rest, rest)


def output(uri: str) -> bytes:
    stamps = {"created_at": "2026-01-15T10:00:00", "updated_at": "2026-01-15T10:00:00"}
    ids = {"id": LAST, "job_id": str(JOB_ID), "datum_id": LAST}
    file = {"status": "done", "uri": uri, "size_bytes": 3, "checksum": None}
    return json.dumps(stamps | ids | file).encode() + b"\n"


def queries(server: Server) -> list[dict[str, list[str]]]:
    return [parse_qs(urlsplit(seen.path).query) for seen in server.seen]


def test_jobs_are_gone_through_a_page_a_request() -> None:
    pages = (of_json({"jobs": [JOB, JOB], "after": LAST}), of_json({"jobs": [JOB], "after": None}))
    with serving(in_turn(*pages)) as server:
        found = list(client(server).iter_jobs(status=JobStatus.DONE, name="book & co"))

    assert len(found) == 3
    filters = {"status": ["done"], "name": ["book & co"], "limit": ["500"]}
    assert queries(server) == [filters, filters | {"after": [LAST]}]


def test_a_page_is_asked_for_when_it_is_wanted() -> None:
    with serving(in_turn(of_json({"jobs": [JOB, JOB], "after": LAST}))) as server:
        jobs = client(server).iter_jobs()
        assert server.seen == []
        next(jobs)
        next(jobs)
        assert len(server.seen) == 1
        next(jobs)
        assert len(server.seen) == 2


def test_no_more_jobs_are_asked_for_than_are_wanted() -> None:
    with serving(in_turn(of_json({"jobs": [JOB] * 500, "after": LAST}))) as server:
        assert len(list(client(server).iter_jobs(limit=1000))) == 1000
    assert [query["limit"] for query in queries(server)] == [["500"], ["500"]]

    with serving(in_turn(of_json({"jobs": [JOB] * 3, "after": LAST}))) as server:
        assert len(list(client(server).iter_jobs(limit=3))) == 3
    assert [query["limit"] for query in queries(server)] == [["3"]]


def test_datums_are_gone_through_a_page_a_request() -> None:
    pages = (of_json({"datums": [DATUM], "after": LAST}), of_json({"datums": [], "after": None}))
    with serving(in_turn(*pages)) as server:
        [datum] = client(server).iter_datums(JOB_ID, status=DatumStatus.ERROR)

    assert datum.error_message == "it broke"
    assert {urlsplit(seen.path).path for seen in server.seen} == {f"/jobs/{JOB_ID}/datums"}
    filters = {"status": ["error"], "limit": ["500"]}
    assert queries(server) == [filters, filters | {"after": [LAST]}]


def test_a_page_that_fails_is_asked_for_again() -> None:
    pages = (
        of_json({"datums": [DATUM], "after": LAST}),
        Reply(503),
        of_json({"datums": [DATUM], "after": None}),
    )
    with serving(in_turn(*pages)) as server:
        assert len(list(client(server).iter_datums(JOB_ID))) == 2


def test_outputs_are_lines_however_they_are_cut_into_chunks() -> None:
    body = output("s3://b/a") + output("s3://b/é") + output("s3://b/c")
    pieces = tuple(body[at : at + 7] for at in range(0, len(body), 7))
    for chunks in ((body,), pieces):
        with serving(in_turn(Chunks(chunks))) as server:
            uris = [file.uri for file in client(server).iter_outputs(JOB_ID)]
        assert uris == ["s3://b/a", "s3://b/é", "s3://b/c"]


def test_no_outputs_are_an_empty_list() -> None:
    with serving(in_turn(Chunks(()))) as server:
        assert list(client(server).iter_outputs(JOB_ID)) == []


@pytest.mark.parametrize(
    "reply",
    [
        Chunks((output("s3://b/a"),), ending=b""),
        Chunks((output("s3://b/a"),), ending=b"40\r\n{"),
        Chunks((output("s3://b/a"),), ending=b"1"),
        Chunks((output("s3://b/a") + b"{",)),
        Reply(200, output("s3://b/a"), {"Content-Length": "1000", "Connection": "close"}),
    ],
    ids=["no last chunk", "in a chunk", "in its size", "in a line", "short of its length"],
)
def test_outputs_that_are_cut_off_are_an_error_after_what_came(reply: Reply | Chunks) -> None:
    with serving(in_turn(reply)) as server:
        files = client(server).iter_outputs(JOB_ID)
        assert next(files).uri == "s3://b/a"
        with pytest.raises(Unavailable, match="cut off"):
            next(files)
        assert len(server.seen) == 1


def test_outputs_are_asked_for_again_until_the_answer_begins() -> None:
    with serving(in_turn(None, Reply(503), Chunks((output("s3://b/a"),)))) as server:
        assert len(list(client(server).iter_outputs(JOB_ID))) == 1
        assert len(server.seen) == 3


def test_outputs_of_no_job_are_its_error() -> None:
    body = {"code": "job_not_found", "message": "job not found"}
    with serving(in_turn(of_json(body, 404))) as server, pytest.raises(JobNotFound):
        list(client(server).iter_outputs(JOB_ID))


def test_a_line_of_another_shape_is_an_error() -> None:
    with serving(in_turn(Chunks((b"<html>\n",)))) as server:
        lines = client(server).iter_outputs(JOB_ID)
        with pytest.raises(FalconeriError, match="cannot be understood"):
            next(lines)


def test_outputs_that_nobody_reads_to_their_end_take_no_connection_with_them() -> None:
    endless = Chunks((output("s3://b/a"),), ending=b"ffff\r\n")
    with serving(in_turn(endless, of_json({"attempts": []}))) as server:
        calls = client(server)
        for _ in calls.iter_outputs(JOB_ID):
            break
        assert calls.list_attempts(UUID(LAST)) == []
    assert [seen.connection for seen in server.seen] == [1, 2]
