"""What operators do with jobs, as raw HTTP."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.server.conftest import MakeJob, spec
from tests.server.falconerid import Falconerid

WHO = {"pod_name": "pod-a", "node_name": "n"}
CONTROLS = (
    ("POST", "retry", None),
    ("POST", "cancel", None),
    ("POST", "pause", None),
    ("POST", "resume", None),
    ("PUT", "parallelism", {"parallelism": 3}),
)


def claim(falconerid: Falconerid, job: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    return falconerid.call("POST", f"/jobs/{job['id']}/claim", WHO).json


def test_paused_job_hands_out_nothing_until_it_is_resumed(
    falconerid: Falconerid, make_job: MakeJob
) -> None:
    job = make_job(2)

    for _ in range(2):
        paused = falconerid.call("POST", f"/jobs/{job['id']}/pause")
        assert paused.json["job"]["paused"] is True
        assert paused.json["job"]["status"] == "running"
    assert claim(falconerid, job)["verdict"] == "empty"
    for _ in range(2):
        resumed = falconerid.call("POST", f"/jobs/{job['id']}/resume")
        assert resumed.json["job"]["paused"] is False

    assert claim(falconerid, job)["verdict"] == "claimed"


def test_parallelism_of_a_running_job_is_changed(falconerid: Falconerid, make_job: MakeJob) -> None:
    job = make_job()
    path = f"/jobs/{job['id']}/parallelism"

    assert falconerid.call("PUT", path, {"parallelism": 7}).status == 200
    assert falconerid.call("PUT", path, {"parallelism": -1}).status == 422
    assert falconerid.call("PUT", path, {"parallelism": 1, "more": 2}).status == 422
    assert falconerid.call("PUT", path, b"").status == 400


def test_ended_job_is_refused_with_its_status(falconerid: Falconerid, make_job: MakeJob) -> None:
    job = make_job()
    assert falconerid.call("POST", f"/jobs/{job['id']}/cancel").json["job"]["status"] == "canceled"

    for method, name, body in CONTROLS[2:]:
        refused = falconerid.call(method, f"/jobs/{job['id']}/{name}", body)
        assert (refused.status, refused.json["code"]) == (409, "job_not_running"), name


def test_unknown_job_is_not_found(falconerid: Falconerid) -> None:
    for method, name, body in CONTROLS:
        answer = falconerid.call(method, f"/jobs/{uuid4()}/{name}", body)
        assert (answer.status, answer.json["code"]) == (404, "job_not_found"), name
    assert falconerid.call("DELETE", f"/jobs/{uuid4()}").status == 404


def test_retry_takes_options_and_needs_none(falconerid: Falconerid, make_job: MakeJob) -> None:
    job = make_job(2, datum_tries=1)
    held = claim(falconerid, job)["claim"]
    report = {"outcome": "error", "failure_class": "command", "error_message": "no such column"}
    falconerid.call(
        "POST",
        f"/datums/{held['datum_id']}/complete",
        {"pod_name": "pod-a", "attempt": 1, "report": report, "claim_next": False},
    )
    falconerid.call("POST", f"/jobs/{job['id']}/cancel")
    path = f"/jobs/{job['id']}/retry"

    def total(body: object) -> int:
        new = falconerid.call("POST", path, body).json["job"]["id"]
        count: int = falconerid.call("GET", f"/jobs/{new}/progress").json["total"]
        return count

    assert total(None) == 2
    assert total({}) == 2
    assert total({"matching": "such column", "parallelism": 1, "datum_tries": 2}) == 1
    unmatched = falconerid.call("POST", path, {"matching": "else"})
    assert (unmatched.status, unmatched.json["code"]) == (409, "job_not_retryable")
    assert falconerid.call("POST", path, {"datum_tries": 0}).status == 422
    assert falconerid.call("POST", path, b"{").status == 400


def test_submission_with_a_key_makes_one_job(falconerid: Falconerid, tmp_path: Path) -> None:
    body = {"job": spec(tmp_path, 1)}
    key = {"Idempotency-Key": uuid4().hex}

    first, again = (falconerid.call("POST", "/jobs", body, headers=key) for _ in range(2))
    other = falconerid.call("POST", "/jobs", {"job": spec(tmp_path, 2)}, headers=key)
    long = falconerid.call("POST", "/jobs", body, headers={"Idempotency-Key": "k" * 256})
    another = falconerid.call("POST", "/jobs", body, headers={"Idempotency-Key": uuid4().hex})

    assert first.json["job"]["id"] == again.json["job"]["id"] != another.json["job"]["id"]
    assert (other.status, other.json["code"]) == (422, "request_key_reused")
    assert long.status == 422


def test_submissions_with_one_key_at_once_make_one_job(
    falconerid: Falconerid, tmp_path: Path
) -> None:
    body = {"job": spec(tmp_path, 1)}
    key = {"Idempotency-Key": uuid4().hex}

    with ThreadPoolExecutor(4) as pool:  # as many as are let in
        calls = [pool.submit(falconerid.call, "POST", "/jobs", body, headers=key) for _ in range(4)]
    answers = [call.result() for call in calls]

    assert {answer.status for answer in answers} == {200}
    assert len({answer.json["job"]["id"] for answer in answers}) == 1


def test_retry_with_a_key_makes_one_job(falconerid: Falconerid, make_job: MakeJob) -> None:
    job = make_job()
    falconerid.call("POST", f"/jobs/{job['id']}/cancel")
    path, key = f"/jobs/{job['id']}/retry", {"Idempotency-Key": uuid4().hex}

    first, again = (falconerid.call("POST", path, headers=key) for _ in range(2))
    other = falconerid.call("POST", path, {"parallelism": 2}, headers=key)

    assert first.json["job"]["id"] == again.json["job"]["id"]
    assert (other.status, other.json["code"]) == (422, "request_key_reused")


def test_ended_job_is_deleted_and_a_running_one_is_not(
    falconerid: Falconerid, make_job: MakeJob
) -> None:
    job = make_job()
    path = f"/jobs/{job['id']}"

    refused = falconerid.call("DELETE", path)
    falconerid.call("POST", f"{path}/cancel")
    deleted = falconerid.call("DELETE", path)

    assert (refused.status, refused.json["code"]) == (409, "job_running")
    assert (deleted.status, deleted.body) == (204, b"")
    assert falconerid.call("GET", path).status == 404


@pytest.mark.parametrize("path", ["/version", "/jobs/list", "/api-docs"])
def test_head_answers_as_get_without_a_body(falconerid: Falconerid, path: str) -> None:
    head, get = falconerid.call("HEAD", path), falconerid.call("GET", path)

    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-type"] == get.headers["content-type"]


def test_wrong_method_is_405_also_without_credentials(falconerid: Falconerid) -> None:
    answer = falconerid.call("PATCH", "/jobs/list", password=None)

    assert answer.status == 405
    assert "GET" in answer.headers["allow"]
