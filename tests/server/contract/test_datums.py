"""The worker's endpoints, sentence by sentence."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.server.conftest import MakeJob
from tests.server.contract.calls import (
    POD,
    done,
    failed,
    register,
    reserve,
    reserved,
    settle,
    update,
)
from tests.server.contract.rows import (
    CREATE_OUTPUTS,
    DESCRIBE_DATUM,
    RESERVE,
    UPDATE,
    UPDATE_OUTPUTS,
    covers,
)
from tests.server.falconerid import Falconerid

FENCED = (UPDATE, CREATE_OUTPUTS, UPDATE_OUTPUTS)


@covers(RESERVE)
def test_nothing_ready_is_null_with_200(falconerid: Falconerid, make_job: MakeJob) -> None:
    job = make_job(1)
    reserve(falconerid, job["id"], pod_name="pod-b")

    answer = reserve(falconerid, job["id"])

    assert (answer.status, answer.body) == (200, b"null")
    assert answer.headers["content-type"] == "application/json"


@covers(RESERVE)
def test_reserved_datum_has_its_pod_and_one_more_attempt(
    falconerid: Falconerid, make_job: MakeJob
) -> None:
    job = make_job()
    for attempt in (1, 2):
        datum = reserved(falconerid, job["id"])

        assert (datum["status"], datum["job_id"]) == ("running", job["id"])
        assert {name: datum[name] for name in POD} == POD
        assert datum["attempted_run_count"] == attempt
        assert datum["maximum_allowed_run_count"] == 3
        update(falconerid, datum["id"], failed())


@covers(RESERVE)
def test_pod_gets_its_running_datum_again_without_another_attempt(
    falconerid: Falconerid, make_job: MakeJob
) -> None:
    job = make_job(2)

    first, repeat = (reserve(falconerid, job["id"]).json for _ in range(2))
    other = reserve(falconerid, job["id"], pod_name="pod-b").json

    assert first == repeat
    assert other["datum"]["id"] != first["datum"]["id"]


@covers(RESERVE)
def test_calls_of_one_pod_at_once_get_one_datum(falconerid: Falconerid, make_job: MakeJob) -> None:
    job_id = make_job(8)["id"]
    with ThreadPoolExecutor(8) as threads:
        calls = [threads.submit(reserve, falconerid, job_id) for _ in range(16)]
        answers = [call.result() for call in calls]

    assert {answer.status for answer in answers} == {200}
    datums = [answer.json["datum"] for answer in answers]
    assert {datum["id"] for datum in datums} == {datums[0]["id"]}
    assert {datum["attempted_run_count"] for datum in datums} == {1}


@covers(RESERVE)
def test_ended_job_hands_out_nothing(falconerid: Falconerid, make_job: MakeJob) -> None:
    job = make_job()
    falconerid.call("POST", f"/jobs/{job['id']}/cancel")

    assert reserve(falconerid, job["id"]).json is None


@covers(RESERVE, UPDATE, CREATE_OUTPUTS, UPDATE_OUTPUTS)
def test_unknown_fields_beside_the_known_ones_are_ignored(
    falconerid: Falconerid, make_job: MakeJob
) -> None:
    job = make_job()
    datum = reserve(falconerid, job["id"], colour="red").json["datum"]
    files = f"/datums/{datum['id']}/output_files"
    new: dict[str, object] = {"pod_name": "pod-a", "colour": "red", "output_files": []}

    assert falconerid.call("POST", files, new).status == 200
    assert falconerid.call("PATCH", files, new).status == 204
    assert update(falconerid, datum["id"], done() | {"colour": "red"}).status == 200


@covers(RESERVE)
@pytest.mark.parametrize("missing", POD)
def test_reservation_names_pod_and_node(falconerid: Falconerid, missing: str) -> None:
    body = {name: value for name, value in POD.items() if name != missing}

    answer = falconerid.call("POST", f"/jobs/{uuid.uuid4()}/reserve_next_datum", body)

    assert answer.status == 422
    assert missing in answer.json["detail"]


@covers(UPDATE)
def test_done_needs_an_output_alone(falconerid: Falconerid, make_job: MakeJob) -> None:
    datum = reserved(falconerid, make_job()["id"])

    answer = update(falconerid, datum["id"], {"status": "done", "output": "said"})

    changed = answer.json["datum"]
    assert (answer.status, list(answer.json)) == (200, ["datum"])
    assert (changed["status"], changed["output"]) == ("done", "said")
    assert changed["updated_at"] > datum["updated_at"]


@covers(UPDATE)
def test_error_needs_both_messages(falconerid: Falconerid, make_job: MakeJob) -> None:
    datum_id = reserved(falconerid, make_job(1, datum_tries=1)["id"])["id"]

    changed = update(falconerid, datum_id, failed("why")).json["datum"]

    assert (changed["status"], changed["error_message"], changed["backtrace"]) == (
        *("error", "why"),
        "main",
    )


@covers(UPDATE)
@pytest.mark.parametrize(
    "change",
    [
        {"error_message": "x"},
        {"backtrace": "x"},
        {"error_message": "x", "backtrace": "x"},
        {"status": "error"},
        {"status": "error", "error_message": "x"},
        {"status": "error", "backtrace": "x"},
        {"status": "running"},
        {"status": "ready"},
        {"status": "canceled"},
        {"status": "cancelled"},
        {"output": None},
    ],
    ids=str,
)
def test_any_other_update_changes_nothing(
    falconerid: Falconerid, make_job: MakeJob, change: dict[str, Any]
) -> None:
    job = make_job()
    before = reserve(falconerid, job["id"]).json

    assert update(falconerid, before["datum"]["id"], done() | change).status == 422
    assert reserve(falconerid, job["id"]).json == before


@covers(UPDATE)
def test_repeated_update_is_answered_alike(falconerid: Falconerid, make_job: MakeJob) -> None:
    datum_id = reserved(falconerid, make_job()["id"])["id"]

    first, repeat = (update(falconerid, datum_id, done()) for _ in range(2))

    assert (first.status, first.body) == (repeat.status, repeat.body)
    assert first.status == 200


@covers(UPDATE)
def test_last_update_ends_the_job(falconerid: Falconerid, make_job: MakeJob) -> None:
    job = make_job(1)

    update(falconerid, reserved(falconerid, job["id"])["id"], done())

    assert falconerid.call("GET", f"/jobs/{job['id']}").json["job"]["status"] == "done"


@covers(DESCRIBE_DATUM)
def test_datum_is_described_with_its_files(falconerid: Falconerid, make_job: MakeJob) -> None:
    job = make_job()
    datum_id = reserved(falconerid, job["id"])["id"]

    described = falconerid.call("GET", f"/datums/{datum_id}/describe").json

    assert set(described) == {"datum", "input_files"}
    (file,) = described["input_files"]
    assert (file["datum_id"], file["job_id"]) == (datum_id, job["id"])
    assert file["uri"].endswith("/0000.txt")
    assert file["local_path"] == "/pfs/books/0000.txt"


@covers(CREATE_OUTPUTS)
def test_same_set_of_files_in_any_order_is_answered_with_the_same_rows(
    falconerid: Falconerid, make_job: MakeJob
) -> None:
    job = make_job()
    datum_id = reserved(falconerid, job["id"])["id"]
    uris = [f"{job['egress_uri']}{name}" for name in "abc"]

    first = register(falconerid, datum_id, *uris).json["output_files"]
    settle(falconerid, datum_id, (first[0]["id"], "done"))
    repeat = register(falconerid, datum_id, *reversed(uris)).json["output_files"]

    assert {file["uri"] for file in first} == set(uris)
    assert {file["id"] for file in repeat} == {file["id"] for file in first}
    assert sorted(file["status"] for file in repeat) == ["done", "running", "running"]


@covers(CREATE_OUTPUTS)
def test_no_file_is_fine(falconerid: Falconerid, make_job: MakeJob) -> None:
    datum_id = reserved(falconerid, make_job()["id"])["id"]

    assert register(falconerid, datum_id).json == {"output_files": []}


@covers(CREATE_OUTPUTS)
@pytest.mark.parametrize("names", ["", "a", "abc", "c"])
def test_another_set_of_files_is_403(falconerid: Falconerid, make_job: MakeJob, names: str) -> None:
    job = make_job()
    datum_id = reserved(falconerid, job["id"])["id"]
    register(falconerid, datum_id, *(f"{job['egress_uri']}{name}" for name in "ab"))

    answer = register(falconerid, datum_id, *(f"{job['egress_uri']}{name}" for name in names))

    assert (answer.status, answer.json["code"]) == (403, "outputs_mismatch")


@covers(CREATE_OUTPUTS)
def test_file_of_two_datums_is_409_and_of_one_datum_twice_422(
    falconerid: Falconerid, make_job: MakeJob
) -> None:
    job = make_job(2)
    uri = f"{job['egress_uri']}a"
    first = reserved(falconerid, job["id"])["id"]
    second = reserve(falconerid, job["id"], pod_name="pod-b").json["datum"]["id"]

    twice = register(falconerid, first, uri, uri)
    register(falconerid, first, uri)
    clash = register(falconerid, second, uri, pod="pod-b")

    assert (twice.status, twice.json["code"]) == (422, "invalid_input")
    assert (clash.status, clash.json["code"]) == (409, "output_clash")


@covers(UPDATE_OUTPUTS)
def test_files_are_done_or_error_and_may_be_told_again(
    falconerid: Falconerid, make_job: MakeJob
) -> None:
    job = make_job()
    datum_id = reserved(falconerid, job["id"])["id"]
    uris = [f"{job['egress_uri']}{name}" for name in "ab"]
    a, b = register(falconerid, datum_id, *uris).json["output_files"]
    ends = ((a["id"], "done"), (b["id"], "error"))

    for _ in range(2):
        assert settle(falconerid, datum_id, *ends).status == 204

    files = register(falconerid, datum_id, *uris).json["output_files"]
    assert {(file["id"], file["status"]) for file in files} == set(ends)


@covers(UPDATE_OUTPUTS)
@pytest.mark.parametrize("status", ["running", "ready", "canceled", "", None])
@pytest.mark.parametrize("pod", ["pod-a", "pod-b"])
def test_other_status_of_a_file_is_refused_before_its_owner_is_asked_for(
    falconerid: Falconerid, make_job: MakeJob, status: str, pod: str
) -> None:
    job = make_job()
    datum_id = reserved(falconerid, job["id"])["id"]
    (file,) = register(falconerid, datum_id, f"{job['egress_uri']}a").json["output_files"]

    assert settle(falconerid, datum_id, (file["id"], status), pod=pod).status == 422


@covers(UPDATE_OUTPUTS)
def test_file_of_another_datum_is_refused(falconerid: Falconerid, make_job: MakeJob) -> None:
    job = make_job(2)
    theirs = reserve(falconerid, job["id"], pod_name="pod-b").json["datum"]["id"]
    answer = register(falconerid, theirs, f"{job['egress_uri']}a", pod="pod-b")
    (file,) = answer.json["output_files"]
    mine = reserved(falconerid, job["id"])["id"]

    for file_id in (file["id"], str(uuid.uuid4())):
        assert settle(falconerid, mine, (file_id, "done")).status == 422


@covers(*FENCED)
@pytest.mark.parametrize("held", [True, False], ids=["another pod's", "not running"])
def test_datum_that_is_not_the_pods_is_403(
    falconerid: Falconerid, make_job: MakeJob, *, held: bool
) -> None:
    job = make_job()
    datum_id = reserved(falconerid, job["id"])["id"]
    uri = f"{job['egress_uri']}a"
    if held:
        pod = "pod-b"
    else:
        pod = "pod-a"
        update(falconerid, datum_id, done())

    for answer in (
        update(falconerid, datum_id, failed(), pod),
        register(falconerid, datum_id, uri, pod=pod),
        settle(falconerid, datum_id, pod=pod),
    ):
        assert (answer.status, answer.json["code"]) == (403, "claim_lost")
