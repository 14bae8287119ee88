"""The calls of the original's worker and command line, as raw HTTP."""

from __future__ import annotations

import re
import uuid
from typing import Any

from tests.server.conftest import MakeJob
from tests.server.falconerid import Answer, Falconerid

POD = {"node_name": "node-1", "pod_name": "pod-a"}
DEEP = b'{"job": {"input": ' + b'{"union": [' * 100_000
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}|\.\d{6})?")


def reserve(falconerid: Falconerid, job: dict[str, Any], pod: str = "pod-a") -> Any:  # noqa: ANN401
    path = f"/jobs/{job['id']}/reserve_next_datum"
    answer = falconerid.call("POST", path, POD | {"pod_name": pod})
    assert answer.status == 200, answer.body
    return answer.json


def report(falconerid: Falconerid, datum_id: str, status: str, pod: str = "pod-a") -> Answer:
    message = "it failed" if status == "error" else None
    patch = {"status": status, "output": "text", "error_message": message, "backtrace": message}
    return falconerid.call("PATCH", f"/datums/{datum_id}", {"pod_name": pod, "datum": patch})


def test_new_job_is_answered_in_the_stored_form(make_job: MakeJob) -> None:
    job = make_job()

    assert re.fullmatch(r"book-words-[a-z0-9]{10}", job["job_name"])
    assert job["status"] == "running"
    assert TIMESTAMP.fullmatch(job["created_at"])
    assert job["command"] == ["python3", "/x.py"]
    assert job["pipeline_spec"]["job_timeout"] == 5400
    assert "datum_tries" not in job["pipeline_spec"]
    assert list(job["pipeline_spec"]["input"]) == ["atom"]


def test_job_runs_from_reservation_to_done(falconerid: Falconerid, make_job: MakeJob) -> None:
    job = make_job(1)

    reserved = reserve(falconerid, job)
    datum_id = reserved["datum"]["id"]
    assert reserved["datum"]["status"] == "running"
    assert reserved["datum"]["attempted_run_count"] == 1
    assert reserved["datum"]["maximum_allowed_run_count"] == 3
    assert reserved["datum"]["error_message"] is None
    (file,) = reserved["input_files"]
    assert file["local_path"] == "/pfs/books/0000.txt"
    assert file["datum_id"] == datum_id
    assert file["job_id"] == job["id"]

    files = f"/datums/{datum_id}/output_files"
    uris = [{"uri": f"{job['egress_uri']}b"}, {"uri": f"{job['egress_uri']}a"}]
    new = {"pod_name": "pod-a", "output_files": uris}
    rows = falconerid.call("POST", files, new).json["output_files"]
    assert {row["uri"] for row in rows} == {uri["uri"] for uri in uris}
    assert {row["status"] for row in rows} == {"running"}

    updates = [{"id": row["id"], "status": "done"} for row in rows]
    settled = falconerid.call("PATCH", files, {"pod_name": "pod-a", "output_files": updates})
    assert (settled.status, settled.body) == (204, b"")

    done = report(falconerid, datum_id, "done")
    assert done.status == 200
    assert done.json["datum"]["status"] == "done"
    assert done.json["datum"]["output"] == "text"
    assert falconerid.call("GET", f"/jobs/{job['id']}").json["job"]["status"] == "done"


def test_reservation_is_repeatable_per_pod_and_null_when_nothing_is_ready(
    falconerid: Falconerid, make_job: MakeJob
) -> None:
    job = make_job(1)

    first = reserve(falconerid, job)

    assert reserve(falconerid, job) == first
    assert reserve(falconerid, job, "pod-b") is None


def test_failed_datum_is_ready_again_at_once_until_its_tries_are_spent(
    falconerid: Falconerid, make_job: MakeJob
) -> None:
    job = make_job(1, datum_tries=2)

    for attempt in (1, 2):
        datum = reserve(falconerid, job)["datum"]
        assert datum["attempted_run_count"] == attempt
        assert report(falconerid, datum["id"], "error").status == 200

    described = falconerid.call("GET", f"/jobs/{job['id']}/describe").json
    assert described["job"]["status"] == "error"
    assert described["datum_status_counts"] == [
        {"status": "error", "count": 1, "rerunable_count": 0}
    ]
    assert [datum["error_message"] for datum in described["error_datums"]] == ["it failed"]
    assert reserve(falconerid, job) is None


def test_failed_datum_waits_for_its_retry_delay(falconerid: Falconerid, make_job: MakeJob) -> None:
    job = make_job(1, retry_delay="1h")

    report(falconerid, reserve(falconerid, job)["datum"]["id"], "error")

    assert reserve(falconerid, job) is None
    assert falconerid.call("GET", f"/jobs/{job['id']}").json["job"]["status"] == "running"


def test_report_of_the_same_end_is_repeatable(falconerid: Falconerid, make_job: MakeJob) -> None:
    datum_id = reserve(falconerid, make_job(1))["datum"]["id"]

    answers = [report(falconerid, datum_id, "done") for _ in range(2)]

    assert [answer.status for answer in answers] == [200, 200]
    assert answers[0].json == answers[1].json


def test_report_by_another_pod_is_refused(falconerid: Falconerid, make_job: MakeJob) -> None:
    datum_id = reserve(falconerid, make_job(1))["datum"]["id"]

    answer = report(falconerid, datum_id, "done", pod="pod-b")

    assert (answer.status, answer.json["code"]) == (403, "claim_lost")


def test_report_of_another_shape_changes_nothing(falconerid: Falconerid, make_job: MakeJob) -> None:
    job = make_job(1)
    datum_id = reserve(falconerid, job)["datum"]["id"]
    without_message = {"status": "error", "output": ""}

    answer = falconerid.call(
        "PATCH", f"/datums/{datum_id}", {"pod_name": "pod-a", "datum": without_message}
    )

    assert answer.status == 422
    described = falconerid.call("GET", f"/datums/{datum_id}/describe").json
    assert described["datum"]["status"] == "running"


def test_output_name_too_long_for_the_database_is_the_callers_mistake(
    falconerid: Falconerid, make_job: MakeJob
) -> None:
    job = make_job(1)
    datum_id = reserve(falconerid, job)["datum"]["id"]
    name = "".join(chr(0x4E00 + number * 7 % 20000) for number in range(4000))
    new = {"pod_name": "pod-a", "output_files": [{"uri": f"{job['egress_uri']}{name}"}]}

    assert falconerid.call("POST", f"/datums/{datum_id}/output_files", new).status == 422


def test_retry_makes_a_job_of_the_failed_datums_only(
    falconerid: Falconerid, make_job: MakeJob
) -> None:
    job = make_job(2, datum_tries=1)
    good = reserve(falconerid, job)["datum"]["id"]
    report(falconerid, good, "done")
    bad = reserve(falconerid, job)
    report(falconerid, bad["datum"]["id"], "error")

    new = falconerid.call("POST", f"/jobs/{job['id']}/retry").json["job"]

    assert new["id"] != job["id"]
    assert new["pipeline_spec"] == job["pipeline_spec"]
    again = reserve(falconerid, new)
    assert [f["uri"] for f in again["input_files"]] == [f["uri"] for f in bad["input_files"]]
    assert reserve(falconerid, new, "pod-b") is None


def test_job_is_found_by_name_and_listed_newest_first(
    falconerid: Falconerid, make_job: MakeJob
) -> None:
    older, newer = make_job(), make_job()

    found = falconerid.call("GET", f"/jobs?job_name={older['job_name']}").json["job"]
    listed = [job["id"] for job in falconerid.call("GET", "/jobs/list").json["jobs"]]

    assert found["id"] == older["id"]
    assert listed.index(newer["id"]) < listed.index(older["id"])


def test_what_does_not_exist_is_404(falconerid: Falconerid) -> None:
    nobody = uuid.uuid4()
    for method, path, code in (
        ("GET", f"/jobs/{nobody}", "job_not_found"),
        ("GET", "/jobs?job_name=nope", "job_not_found"),
        ("GET", f"/jobs/{nobody}/describe", "job_not_found"),
        ("POST", f"/jobs/{nobody}/retry", "job_not_found"),
        ("GET", f"/datums/{nobody}/describe", "datum_not_found"),
    ):
        answer = falconerid.call(method, path)
        assert (answer.status, answer.json["code"]) == (404, code), path


def test_bad_requests_are_told_apart(falconerid: Falconerid) -> None:
    plain = {"Content-Type": "text/plain"}
    for answer, status in (
        (falconerid.call("GET", "/jobs/xyz"), 400),
        (falconerid.call("GET", "/jobs?job_name=a&job_name=b"), 400),
        (falconerid.call("GET", "/nowhere"), 404),
        (falconerid.call("GET", "/jobs/list/"), 404),
        (falconerid.call("DELETE", "/jobs/list"), 405),
        (falconerid.call("POST", "/jobs", b"{}", headers=plain), 415),
        (falconerid.call("POST", "/jobs", b"{"), 400),
        (falconerid.call("POST", "/jobs", b"\xff"), 400),
        (falconerid.call("POST", "/jobs", b"{}"), 422),
        (falconerid.call("POST", "/jobs", b'{"job": 1, "job": 2}'), 422),
        (falconerid.call("POST", "/jobs", DEEP), 400),
    ):
        assert answer.status == status, answer.body
        assert set(answer.json) == {"code", "message", "detail", "hint"}


def test_bad_spec_names_the_field_and_makes_no_job(
    falconerid: Falconerid, make_job: MakeJob
) -> None:
    good = make_job()["pipeline_spec"] | {"job_timeout": None}
    before = falconerid.call("GET", "/jobs/list").body
    for change, named in (
        ({"colour": "red"}, "colour"),
        ({"parallelism_spec": {"constant": "2"}}, "parallelism_spec.constant"),
        ({"egress": {"URI": "ftp://x/"}}, "ftp://x/"),
        ({"egress": {"URI": "file:///a/../b/"}}, "'..'"),
        ({"transform": good["transform"] | {"env": {"A=B": ""}}}, "A=B"),
        ({"input": {"atom": {"URI": "file:///nope/", "repo": "r", "glob": "/*"}}}, "/nope"),
        ({"pipeline": {"name": "a\0b"}}, "NUL"),
    ):
        answer = falconerid.call("POST", "/jobs", {"job": good | change})
        assert answer.status in {400, 422}, answer.body
        assert named in answer.body.decode(), answer.body
    assert falconerid.call("GET", "/jobs/list").body == before
