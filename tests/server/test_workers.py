"""What workers tell of themselves, as it is listed."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from tests.server.conftest import MakeJob
from tests.server.falconerid import Answer, Falconerid
from tests.server.test_waiting import claim


def beat(falconerid: Falconerid, job_id: str, claimed: dict[str, Any], **said: object) -> Answer:
    held = {key: claimed["claim"][key] for key in ("datum_id", "attempt")} | said
    body = {"pod_name": "pod-a", "held": [held]}
    return falconerid.call("POST", f"/jobs/{job_id}/heartbeat", body)


def listed(falconerid: Falconerid, job_id: str) -> Any:  # noqa: ANN401 - JSON
    answer = falconerid.call("GET", f"/jobs/{job_id}/workers")
    assert answer.status == 200, answer.body
    return answer.json


def test_worker_is_listed_with_what_it_holds_and_what_that_prints(
    falconerid: Falconerid, make_job: MakeJob
) -> None:
    job_id = make_job(1)["id"]
    held = claim(falconerid, job_id, "pod-a")
    assert beat(falconerid, job_id, held, log_tail="step 1\n").status == 200

    page = listed(falconerid, job_id)

    [worker] = page["workers"]
    assert page["after"] is None
    assert (worker["pod_name"], worker["node_name"], worker["state"]) == ("pod-a", "n", "working")
    assert worker["registered_at"] <= worker["last_heartbeat_at"]
    [hold] = worker["holds"]
    assert hold["claimed_at"] <= worker["last_heartbeat_at"]
    assert {key: hold[key] for key in ("datum_id", "attempt", "slot", "log_tail")} == {
        "datum_id": held["claim"]["datum_id"],
        "attempt": 1,
        "slot": 0,
        "log_tail": "step 1\n",
    }
    datum = falconerid.call("GET", f"/datums/{hold['datum_id']}/describe").json
    assert datum["log_tail"] == "step 1\n"


def test_worker_that_tells_nothing_of_its_program_is_fine(
    falconerid: Falconerid, make_job: MakeJob
) -> None:
    job_id = make_job(1)["id"]
    held = claim(falconerid, job_id, "pod-a")

    answer = beat(falconerid, job_id, held)

    assert answer.json == {"job_status": "running", "lost": []}
    [worker] = listed(falconerid, job_id)["workers"]
    assert worker["holds"][0]["log_tail"] is None
    datum = falconerid.call("GET", f"/datums/{held['claim']['datum_id']}/describe").json
    assert "log_tail" not in datum


def test_text_that_cannot_be_kept_is_refused_and_the_lease_is_as_it_was(
    falconerid: Falconerid, make_job: MakeJob
) -> None:
    job_id = make_job(1)["id"]
    held = claim(falconerid, job_id, "pod-a")

    assert beat(falconerid, job_id, held, log_tail="a\0b").status == 422
    assert beat(falconerid, job_id, held, log_tail=["a"]).status == 422
    assert falconerid.call("POST", f"/jobs/{job_id}/heartbeat", b'{"\xff"}').status == 400

    assert listed(falconerid, job_id)["workers"][0]["last_heartbeat_at"] is None


def test_text_of_any_length_is_cut(falconerid: Falconerid, make_job: MakeJob) -> None:
    job_id = make_job(1)["id"]
    held = claim(falconerid, job_id, "pod-a")

    assert beat(falconerid, job_id, held, log_tail="x" * 2_000_000 + "end").status == 200

    [worker] = listed(falconerid, job_id)["workers"]
    assert worker["holds"][0]["log_tail"] == "x" * 4093 + "end"


def test_workers_are_listed_by_the_page(falconerid: Falconerid, make_job: MakeJob) -> None:
    job_id = make_job(1)["id"]
    for pod in "cab":
        who = {"pod_name": f"pod {pod}&", "node_name": "n"}
        assert falconerid.call("POST", f"/jobs/{job_id}/workers", who).status == 200

    first = falconerid.call("GET", f"/jobs/{job_id}/workers?limit=2").json
    rest = falconerid.call("GET", f"/jobs/{job_id}/workers?limit=2&after=pod%20b%26").json

    assert [worker["pod_name"] for worker in first["workers"]] == ["pod a&", "pod b&"]
    assert first["after"] == "pod b&"
    assert [worker["pod_name"] for worker in rest["workers"]] == ["pod c&"]
    assert rest["after"] is None


def test_wrong_lists_of_workers_are_refused(falconerid: Falconerid, make_job: MakeJob) -> None:
    path = f"/jobs/{make_job(1)['id']}/workers"

    assert falconerid.call("GET", f"/jobs/{uuid4()}/workers").status == 404
    assert falconerid.call("GET", f"{path}?limit=0").status == 422
    assert falconerid.call("GET", f"{path}?after=%00").status == 422
    assert falconerid.call("GET", path, password="wrong").status == 401
