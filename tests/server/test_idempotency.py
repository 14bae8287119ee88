"""`Idempotency-Key` over raw HTTP: what one key is good for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.server.conftest import MakeJob, spec
from tests.server.falconerid import Answer, Falconerid
from tests.server.test_waiting import claim, complete


def post(falconerid: Falconerid, path: str, key: str, body: object = None) -> Answer:
    return falconerid.call("POST", path, body, headers={"Idempotency-Key": key})


def failed_job(falconerid: Falconerid, make_job: MakeJob) -> str:
    job_id: str = make_job(1, datum_tries=1)["id"]
    complete(falconerid, claim(falconerid, job_id, "pod-a"), "pod-a", "error")
    return job_id


def test_requests_with_one_key_at_once_make_one_job(falconerid: Falconerid, tmp_path: Path) -> None:
    body = {"job": spec(tmp_path, 2)}
    with ThreadPoolExecutor() as threads:
        # As many as may make jobs or wait for it at once.
        calls = [threads.submit(post, falconerid, "/jobs", "at once", body) for _ in range(4)]
        answers = [call.result() for call in calls]

    assert {answer.status for answer in answers} == {200}
    assert len({answer.json["job"]["id"] for answer in answers}) == 1


def test_key_is_good_for_one_path(falconerid: Falconerid, make_job: MakeJob) -> None:
    first, second = (f"/jobs/{failed_job(falconerid, make_job)}/retry" for _ in range(2))

    made = post(falconerid, first, "a retry")
    repeat = post(falconerid, first, "a retry")
    other = post(falconerid, second, "a retry")

    assert (made.status, made.json) == (200, repeat.json)
    assert (other.status, other.json["code"]) == (422, "request_key_reused")
