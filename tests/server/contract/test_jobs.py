"""The command line's endpoints, sentence by sentence."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.server.conftest import MakeJob, spec
from tests.server.contract.calls import done, failed, reserve, reserved, update
from tests.server.contract.rows import CREATE, DESCRIBE, FIND, GET, LIST, RETRY, covers
from tests.server.falconerid import Answer, Falconerid


def create(falconerid: Falconerid, pipeline: dict[str, Any]) -> Answer:
    return falconerid.call("POST", "/jobs", {"job": pipeline})


def ended(falconerid: Falconerid, job: dict[str, Any]) -> dict[str, Any]:
    """The job, of whose datums one has failed for good and the others are done."""
    update(falconerid, reserved(falconerid, job["id"])["id"], failed())
    while work := reserve(falconerid, job["id"]).json:
        update(falconerid, work["datum"]["id"], done())
    found: dict[str, Any] = falconerid.call("GET", f"/jobs/{job['id']}").json["job"]
    return found


@covers(CREATE)
def test_each_call_makes_another_job_of_the_same_pipeline_name(
    falconerid: Falconerid, tmp_path: Path
) -> None:
    pipeline = spec(tmp_path, 1)

    first, second = (create(falconerid, pipeline).json["job"] for _ in range(2))

    assert first["id"] != second["id"]
    for job in (first, second):
        assert re.fullmatch("book-words-[a-z0-9]{10}", job["job_name"])
        assert job["status"] == "running"
        assert job["command"] == pipeline["transform"]["cmd"]
        assert job["egress_uri"] == pipeline["egress"]["URI"]
    assert first["job_name"] != second["job_name"]


@covers(CREATE)
def test_stored_spec_is_the_originals_form(falconerid: Falconerid, tmp_path: Path) -> None:
    stored = create(falconerid, spec(tmp_path, 1)).json["job"]["pipeline_spec"]

    assert set(stored) == {
        *("pipeline", "transform", "parallelism_spec", "resource_requests", "job_timeout"),
        *("node_selector", "input", "egress"),
    }
    assert stored["job_timeout"] == 5400
    assert set(stored["input"]["atom"]) == {"URI", "repo", "glob"}


@covers(CREATE)
@pytest.mark.parametrize("name", ["datum_tries", "job_timeout", "node_selector"])
def test_optional_field_may_be_absent(falconerid: Falconerid, tmp_path: Path, name: str) -> None:
    pipeline = spec(tmp_path, 1)
    del pipeline[name]

    assert create(falconerid, pipeline).status == 200


@covers(CREATE)
def test_these_four_fields_may_be_null(falconerid: Falconerid, tmp_path: Path) -> None:
    pipeline: dict[str, Any] = spec(tmp_path, 1) | {"datum_tries": None, "job_timeout": None}
    assert pipeline["transform"]["image_pull_policy"] is None
    assert pipeline["transform"]["service_account"] is None

    assert create(falconerid, pipeline).status == 200


@covers(CREATE)
def test_input_may_be_called_pfs_and_is_stored_as_atom(
    falconerid: Falconerid, tmp_path: Path
) -> None:
    pipeline = spec(tmp_path, 1)
    pipeline["input"] = {"pfs": pipeline["input"]["atom"]}

    stored = create(falconerid, pipeline).json["job"]["pipeline_spec"]

    assert list(stored["input"]) == ["atom"]


@covers(CREATE)
@pytest.mark.parametrize(
    "change",
    [
        {"description": "x"},
        {"node_selector": None},
        {"pipeline": None},
        {"pipeline": {"name": "x", "repo": "y"}},
        {"pipeline": {"name": "a.b"}},
        {"parallelism_spec": {"constant": 3.0}},
        {"parallelism_spec": {"constant": -1}},
        {"parallelism_spec": {"coefficient": 1}},
        {"resource_requests": {"memory": "1", "cpu": "1"}},
        {"datum_tries": -1},
        {"datum_tries": 2**31},
        {"job_timeout": 90},
        {"job_timeout": "90"},
        {"job_timeout": ""},
        {"job_timeout": "5 H"},
        {"egress": {"uri": "s3://b/"}},
        {"input": {}},
        {"input": {"atom": {"URI": "file:///", "repo": "r", "glob": "*"}}},
        {"input": {"atom": {"URI": "file:///", "glob": "/"}}},
        {"input": {"union": [], "cross": []}},
        {"input": {"union": None}},
    ],
    ids=str,
)
def test_spec_of_the_wrong_shape_is_422_and_makes_no_job(
    falconerid: Falconerid, tmp_path: Path, change: dict[str, Any]
) -> None:
    before = falconerid.call("GET", "/jobs/list").body

    answer = create(falconerid, spec(tmp_path, 1) | change)

    assert answer.status == 422, answer.body
    assert falconerid.call("GET", "/jobs/list").body == before


@covers(CREATE)
@pytest.mark.parametrize(
    "secrets", [None, [{"name": "s"}], [{"name": "s", "mount_path": "/s", "x": 1}]]
)
def test_secret_has_one_of_two_shapes(
    falconerid: Falconerid, tmp_path: Path, secrets: object
) -> None:
    pipeline = spec(tmp_path, 1)
    pipeline["transform"] |= {"secrets": secrets}

    assert create(falconerid, pipeline).status == 422


@covers(CREATE)
def test_key_that_is_given_twice_is_422(falconerid: Falconerid) -> None:
    assert falconerid.call("POST", "/jobs", b'{"job": 1, "job": 2}').status == 422


@covers(CREATE)
def test_names_too_long_for_any_file_are_the_callers_mistake(
    falconerid: Falconerid, tmp_path: Path
) -> None:
    pipeline = spec(tmp_path, 1)
    atom = {"URI": f"file:///{'x' * 5000}/", "repo": "r", "glob": "/*"}
    secret = {"name": "s" * 5000, "mount_path": "/s"}

    for change in (
        {"input": {"atom": atom}},
        {"transform": pipeline["transform"] | {"secrets": [secret]}},
    ):
        assert create(falconerid, pipeline | change).status == 422


@covers(FIND)
def test_job_is_found_by_its_exact_name(falconerid: Falconerid, make_job: MakeJob) -> None:
    job = make_job()

    assert falconerid.call("GET", f"/jobs?job_name={job['job_name']}").json == {"job": job}
    for name in (job["job_name"][:-1], job["job_name"].upper(), f"{job['job_name']}%20"):
        answer = falconerid.call("GET", f"/jobs?job_name={name}")
        assert (answer.status, answer.json["code"]) == (404, "job_not_found")


@covers(LIST)
def test_all_jobs_are_listed_newest_first_with_their_specs(
    falconerid: Falconerid, make_job: MakeJob
) -> None:
    older, newer = make_job(), make_job()

    listed = falconerid.call("GET", "/jobs/list").json["jobs"]

    assert listed.index(newer) < listed.index(older)
    created = [job["created_at"] for job in listed]
    assert created == sorted(created, reverse=True)


@covers(GET)
def test_job_is_answered_as_it_was_created(falconerid: Falconerid, make_job: MakeJob) -> None:
    job = make_job()

    assert falconerid.call("GET", f"/jobs/{job['id']}").json == {"job": job}


@covers(DESCRIBE)
def test_description_lists_running_and_failed_datums_oldest_change_first(
    falconerid: Falconerid, make_job: MakeJob
) -> None:
    job = make_job(4, datum_tries=1)
    for _ in range(2):
        update(falconerid, reserved(falconerid, job["id"])["id"], failed())
    for pod in ("pod-a", "pod-b"):
        reserve(falconerid, job["id"], pod_name=pod)

    described = falconerid.call("GET", f"/jobs/{job['id']}/describe").json

    originals = {"job", "datum_status_counts", "running_datums", "error_datums"}
    assert set(described) == originals | {"waits", "rungs"}
    assert [datum["pod_name"] for datum in described["running_datums"]] == ["pod-a", "pod-b"]
    assert [datum["output"] for datum in described["error_datums"]] == ["text", "text"]
    for datums in (described["running_datums"], described["error_datums"]):
        changes = [datum["updated_at"] for datum in datums]
        assert changes == sorted(changes)


@covers(RETRY)
def test_retry_makes_a_new_job_of_the_failed_datums(
    falconerid: Falconerid, make_job: MakeJob
) -> None:
    job = ended(falconerid, make_job(2, datum_tries=1))
    assert job["status"] == "error"

    answer = falconerid.call("POST", f"/jobs/{job['id']}/retry")

    new = answer.json["job"]
    assert (answer.status, new["status"]) == (200, "running")
    assert new["id"] != job["id"]
    assert re.fullmatch("book-words-[a-z0-9]{10}", new["job_name"])
    for same in ("pipeline_spec", "command", "egress_uri"):
        assert new[same] == job[same]
    datum = reserved(falconerid, new["id"])
    assert (datum["attempted_run_count"], datum["maximum_allowed_run_count"]) == (1, 1)
    assert reserve(falconerid, new["id"], pod_name="pod-b").json is None
    assert falconerid.call("GET", f"/jobs/{job['id']}").json["job"] == job


@covers(RETRY)
def test_job_that_runs_or_is_done_cannot_be_retried(
    falconerid: Falconerid, make_job: MakeJob
) -> None:
    job = make_job()
    path = f"/jobs/{job['id']}/retry"

    running = falconerid.call("POST", path)
    update(falconerid, reserved(falconerid, job["id"])["id"], done())
    finished = falconerid.call("POST", path)

    for answer in (running, finished):
        assert (answer.status, answer.json["code"]) == (409, "job_not_retryable")
