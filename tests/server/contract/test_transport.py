"""What holds for every answer: paths, methods, types, the form of errors."""

from __future__ import annotations

import http.client
import json

import pytest

import falconeri
from falconeri.server.openapi import METHODS
from tests.server.conftest import MakeJob
from tests.server.contract.calls import register, reserved
from tests.server.contract.endpoints import ENDPOINTS, PATHS
from tests.server.contract.rows import (
    CREATE,
    FIND,
    GET,
    LIST,
    OPENAPI,
    UPDATE_OUTPUTS,
    VERSION,
    covers,
)
from tests.server.falconerid import PASSWORD, Answer, Falconerid, basic

BOTH_PORTS = pytest.mark.parametrize("waiting", [False, True], ids=["rest", "waiting"])


def is_an_error(answer: Answer) -> bool:
    """Whether the body is one of our errors."""
    return answer.headers["content-type"] == "application/json" and set(answer.json) == {
        *("code", "message", "detail", "hint")
    }


@covers(VERSION)
def test_version_is_a_bare_text(falconerid: Falconerid) -> None:
    answer = falconerid.call("GET", "/version", password=None)

    assert answer.body.decode() == falconeri.__version__
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


@covers(OPENAPI)
def test_openapi_document_has_the_endpoints_of_the_command_line(falconerid: Falconerid) -> None:
    document = falconerid.call("GET", "/api-docs/openapi.json", password=None).json

    assert document["openapi"] == "3.1.0"
    described = {(m.upper(), path) for path, item in document["paths"].items() for m in item}
    assert {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS} == described


@pytest.mark.parametrize("path", PATHS)
def test_trailing_slash_is_another_path_that_there_is_not(
    falconerid: Falconerid, path: str
) -> None:
    waiting = PATHS[path]

    answer = falconerid.call("GET", f"{path}/", password=None, waiting=waiting)

    assert answer.status == 404
    assert is_an_error(answer)


@BOTH_PORTS
def test_unknown_path_is_404_without_credentials(falconerid: Falconerid, *, waiting: bool) -> None:
    answer = falconerid.call("GET", "/nowhere", password=None, waiting=waiting)

    assert answer.status == 404
    assert is_an_error(answer)


@pytest.mark.parametrize("path", PATHS)
def test_wrong_method_is_405_with_the_allowed_ones_without_credentials(
    falconerid: Falconerid, path: str
) -> None:
    has = {endpoint.method for endpoint in ENDPOINTS if endpoint.path == path}
    for method in set(METHODS) - has:
        answer = falconerid.call(method, path, password=None, waiting=PATHS[path])

        assert answer.status == 405, method
        assert is_an_error(answer)
        assert has <= set(answer.headers["allow"].split(", "))


@pytest.mark.parametrize(
    "endpoint", [e for e in ENDPOINTS if e.method == "GET" and not e.declared.waiting], ids=str
)
def test_get_route_answers_head_too(
    falconerid: Falconerid, endpoint: object, make_job: MakeJob
) -> None:
    path = str(endpoint).removeprefix("GET ").replace("{job_id}", make_job()["id"])

    got = falconerid.call("GET", path)
    head = falconerid.call("HEAD", path)

    assert (head.status, head.body) == (got.status, b"")
    assert head.headers["content-type"] == got.headers["content-type"]


@covers(LIST)
def test_static_path_wins_over_the_one_with_an_id(falconerid: Falconerid) -> None:
    assert list(falconerid.call("GET", "/jobs/list").json) == ["jobs"]


@covers(CREATE, FIND, LIST, GET)
def test_success_is_compact_json(falconerid: Falconerid, make_job: MakeJob) -> None:
    job = make_job()
    for path in (f"/jobs/{job['id']}", f"/jobs?job_name={job['job_name']}", "/jobs/list"):
        answer = falconerid.call("GET", path)

        assert answer.status == 200
        assert answer.headers["content-type"] == "application/json"
        compact = json.dumps(answer.json, separators=(",", ":"), ensure_ascii=False)
        assert answer.body.decode() == compact


@covers(UPDATE_OUTPUTS)
def test_204_has_no_body_and_no_type_and_keeps_the_connection(
    falconerid: Falconerid, make_job: MakeJob
) -> None:
    job = make_job()
    datum_id = reserved(falconerid, job["id"])["id"]
    (file,) = register(falconerid, datum_id, f"{job['egress_uri']}a").json["output_files"]
    update = {"pod_name": "pod-a", "output_files": [{"id": file["id"], "status": "done"}]}
    headers = {"Authorization": basic(PASSWORD), "Content-Type": "application/json"}
    connection = http.client.HTTPConnection("127.0.0.1", falconerid.port, timeout=60)
    path = f"/datums/{datum_id}/output_files"

    connection.request("PATCH", path, json.dumps(update), headers)
    answer = connection.getresponse()
    used = connection.sock

    assert (answer.status, answer.read()) == (204, b"")
    assert answer.getheader("Content-Type") is None
    connection.request("GET", "/version")
    assert connection.getresponse().status == 200
    assert connection.sock is used
    connection.close()
