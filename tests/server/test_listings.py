"""Pages of jobs, datums, attempts and files, as raw HTTP."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest

from tests.server.conftest import MakeJob
from tests.server.falconerid import Falconerid

Json = Any


def pages(falconerid: Falconerid, path: str, key: str) -> list[list[Json]]:
    """All pages of a listing, followed by their `after`."""
    found: list[list[Json]] = []
    after: str | None = None
    while True:
        more = f"&after={after}" if after else ""
        answer = falconerid.call("GET", path + more)
        assert answer.status == 200, answer.body
        found.append(answer.json[key])
        after = answer.json["after"]
        if after is None:
            return found


def finish(falconerid: Falconerid, job: Json, pod: str, **report: Json) -> Json:
    """Claim a datum, write one file for it, and end it; the claim."""
    claim = falconerid.call(
        "POST", f"/jobs/{job['id']}/claim", {"pod_name": pod, "node_name": "n"}
    ).json["claim"]
    path = f"/datums/{claim['datum_id']}"
    if report["outcome"] == "done":
        files = [{"uri": f"{job['egress_uri']}{claim['datum_id']}"}]
        registered = falconerid.call(
            "POST",
            f"{path}/output_files",
            {"pod_name": pod, "attempt": claim["attempt"], "output_files": files},
        )
        assert registered.status == 200, registered.body
    ended = falconerid.call(
        "POST",
        f"{path}/complete",
        {"pod_name": pod, "attempt": claim["attempt"], "report": report, "claim_next": False},
    )
    assert ended.status == 200, ended.body
    return claim


def test_jobs_are_listed_by_the_page_newest_first(
    falconerid: Falconerid, make_job: MakeJob
) -> None:
    name = f"page-{uuid4().hex[:12]}"
    made = [make_job(pipeline={"name": name})["id"] for _ in range(5)]

    found = pages(falconerid, f"/jobs?name={name}&limit=2", "jobs")

    assert [[job["id"] for job in page] for page in found] == [
        [made[4], made[3]],
        [made[2], made[1]],
        [made[0]],
    ]


def test_jobs_are_filtered_by_status(falconerid: Falconerid, make_job: MakeJob) -> None:
    name = f"status-{uuid4().hex[:12]}"
    kept, canceled = (make_job(pipeline={"name": name})["id"] for _ in range(2))
    falconerid.call("POST", f"/jobs/{canceled}/cancel")

    for status, expected in (("running", [kept]), ("canceled", [canceled]), ("done", [])):
        answer = falconerid.call("GET", f"/jobs?name={name}&status={status}").json
        assert [job["id"] for job in answer["jobs"]] == expected
        assert answer["after"] is None


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("limit=0", 422),
        ("limit=1001", 422),
        ("limit=99999999999999999999", 422),
        ("limit=ten", 422),
        ("status=ready", 422),
        ("after=x", 400),
        ("after=7b8a1c4e-3b1f-4f4c-9a55-2f1c5f0e9d11", 422),
    ],
)
def test_wrong_page_is_refused(falconerid: Falconerid, query: str, status: int) -> None:
    assert falconerid.call("GET", f"/jobs?{query}").status == status


def test_datums_are_listed_by_the_page_in_their_order(
    falconerid: Falconerid, make_job: MakeJob
) -> None:
    job = make_job(5)
    held = finish(falconerid, job, "pod-a", outcome="done")

    found = pages(falconerid, f"/jobs/{job['id']}/datums?limit=2", "datums")

    assert [len(page) for page in found] == [2, 2, 1]
    datums = [datum for page in found for datum in page]
    assert datums[0]["id"] == held["datum_id"]
    assert [datum["status"] for datum in datums] == ["done", *["ready"] * 4]


def test_datums_are_filtered_by_status(falconerid: Falconerid, make_job: MakeJob) -> None:
    job = make_job(4, datum_tries=1)
    done = finish(falconerid, job, "pod-a", outcome="done")["datum_id"]
    failed = finish(
        falconerid,
        job,
        "pod-a",
        outcome="error",
        failure_class="command",
        error_message="it broke",
    )["datum_id"]
    who = {"pod_name": "pod-b", "node_name": "n"}
    running = falconerid.call("POST", f"/jobs/{job['id']}/claim", who).json["claim"]["datum_id"]

    for status, expected in (("done", done), ("error", failed), ("running", running)):
        page = falconerid.call("GET", f"/jobs/{job['id']}/datums?status={status}").json["datums"]
        assert [datum["id"] for datum in page] == [expected]
    ready = falconerid.call("GET", f"/jobs/{job['id']}/datums?status=ready").json["datums"]
    assert len(ready) == 1


def test_attempts_of_a_datum_are_its_history(falconerid: Falconerid, make_job: MakeJob) -> None:
    job = make_job(1, datum_tries=2)
    failure = {"outcome": "error", "failure_class": "command", "error_message": "it broke"}
    datum = finish(falconerid, job, "pod-a", **failure, exit_code=3)["datum_id"]
    finish(falconerid, job, "pod-b", outcome="done", output="fine", cpu_s=1.5)

    attempts = falconerid.call("GET", f"/datums/{datum}/attempts").json["attempts"]

    assert [
        (each["attempt"], each["pod_name"], each["outcome"], each["final"]) for each in attempts
    ] == [(1, "pod-a", "error", False), (2, "pod-b", "done", True)]
    assert (attempts[0]["exit_code"], attempts[0]["error_message"]) == (3, "it broke")
    assert (attempts[1]["output"], attempts[1]["cpu_s"]) == ("fine", 1.5)
    assert attempts[1]["error_message"] is None


def test_manifest_has_a_line_for_each_file(falconerid: Falconerid, make_job: MakeJob) -> None:
    job = make_job(3)
    datums = [finish(falconerid, job, "pod-a", outcome="done")["datum_id"] for _ in range(3)]

    answer = falconerid.call("GET", f"/jobs/{job['id']}/outputs")

    assert answer.headers["content-type"] == "application/jsonl"
    files = [json.loads(line) for line in answer.body.splitlines()]
    assert [file["datum_id"] for file in files] == datums
    assert files[0]["uri"] == f"{job['egress_uri']}{datums[0]}"


def test_listings_of_what_does_not_exist_are_404(falconerid: Falconerid) -> None:
    for path in (
        f"/jobs/{uuid4()}/datums",
        f"/jobs/{uuid4()}/outputs",
        f"/datums/{uuid4()}/attempts",
    ):
        assert falconerid.call("GET", path).status == 404, path
