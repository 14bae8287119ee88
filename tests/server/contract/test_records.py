"""The shapes of what is answered: names, nulls, timestamps."""

from __future__ import annotations

import re
import uuid
from typing import Any

import psycopg
import pytest

from tests.server.conftest import MakeJob
from tests.server.contract.calls import failed, register, reserve, reserved, update
from tests.server.contract.rows import (
    CREATE_OUTPUTS,
    DESCRIBE,
    DESCRIBE_DATUM,
    GET,
    RESERVE,
    covers,
)
from tests.server.falconerid import Falconerid

# `T`, no zone; 0, 3 or 6 digits, the fewest that are exact.
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.(?!000)\d{3}|\.\d{3}(?!000)\d{3})?")
STATUSES = ("ready", "running", "done", "error", "canceled")

JOB: dict[str, Any] = {
    **dict.fromkeys(("id", "created_at", "updated_at", "status", "job_name", "egress_uri"), str),
    "pipeline_spec": dict,
    "command": list,
}
DATUM: dict[str, Any] = {
    **dict.fromkeys(("id", "created_at", "updated_at", "status", "job_id"), str),
    **dict.fromkeys(("error_message", "node_name", "pod_name", "backtrace", "output"), str | None),
    **dict.fromkeys(("attempted_run_count", "maximum_allowed_run_count"), int),
}
INPUT_FILE: dict[str, Any] = dict.fromkeys(
    ("id", "created_at", "datum_id", "uri", "local_path", "job_id"), str
)
OUTPUT_FILE: dict[str, Any] = dict.fromkeys(
    ("id", "created_at", "updated_at", "status", "job_id", "datum_id", "uri"), str
)


def require(record: dict[str, Any], shape: dict[str, Any]) -> None:
    """All fields are there, with their types; more are tolerated."""
    assert shape.keys() <= record.keys()
    for name, kind in shape.items():
        value = record[name]
        assert isinstance(value, kind), name
        if name.endswith("_at"):
            assert TIMESTAMP.fullmatch(value), value
        if name.endswith("id"):
            assert value == str(uuid.UUID(value))
        if name == "status":
            assert value in STATUSES


@covers(GET)
@pytest.mark.parametrize(
    ("seconds", "written"),
    [("0", "50"), ("0.5", "50.500"), ("0.12", "50.120"), ("0.123456", "50.123456")],
)
def test_fraction_of_a_second_has_as_many_digits_as_the_originals(
    falconerid: Falconerid, make_job: MakeJob, seconds: str, written: str
) -> None:
    job_id = make_job()["id"]
    with psycopg.connect(falconerid.database_url) as conn:
        conn.execute(
            "update falconeri.jobs"
            " set created_at = timestamptz '2018-07-06 11:27:50Z' + %s * interval '1 s'"
            " where id = %s",
            (float(seconds), job_id),
        )

    job = falconerid.call("GET", f"/jobs/{job_id}").json["job"]

    assert job["created_at"] == f"2018-07-06T11:27:{written}"


@covers(GET)
def test_job(falconerid: Falconerid, make_job: MakeJob) -> None:
    require(falconerid.call("GET", f"/jobs/{make_job()['id']}").json["job"], JOB)


@covers(DESCRIBE_DATUM, RESERVE)
def test_datum_and_input_file(falconerid: Falconerid, make_job: MakeJob) -> None:
    answer = reserve(falconerid, make_job()["id"]).json

    require(answer["datum"], DATUM)
    require(answer["input_files"][0], INPUT_FILE)
    assert falconerid.call("GET", f"/datums/{answer['datum']['id']}/describe").json == answer


@covers(DESCRIBE_DATUM)
def test_absent_values_are_null(falconerid: Falconerid, make_job: MakeJob) -> None:
    datum_id = reserved(falconerid, make_job()["id"])["id"]

    datum = falconerid.call("GET", f"/datums/{datum_id}/describe").json["datum"]

    assert [datum[name] for name in ("error_message", "backtrace", "output")] == [None] * 3


@covers(CREATE_OUTPUTS)
def test_output_file(falconerid: Falconerid, make_job: MakeJob) -> None:
    job = make_job()
    datum_id = reserved(falconerid, job["id"])["id"]

    (file,) = register(falconerid, datum_id, f"{job['egress_uri']}a").json["output_files"]

    require(file, OUTPUT_FILE)
    assert (file["job_id"], file["datum_id"], file["status"]) == (job["id"], datum_id, "running")


@covers(DESCRIBE)
def test_counts_are_in_the_order_of_the_statuses_without_zeros(
    falconerid: Falconerid, make_job: MakeJob
) -> None:
    job = make_job(3, datum_tries=1)
    update(falconerid, reserved(falconerid, job["id"])["id"], failed())
    reserve(falconerid, job["id"], pod_name="pod-b")

    counts = falconerid.call("GET", f"/jobs/{job['id']}/describe").json["datum_status_counts"]

    assert counts == [
        {"status": status, "count": 1, "rerunable_count": 0}
        for status in ("ready", "running", "error")
    ]
