"""In which order a request is refused, and for what: length, route, credentials, path, body."""

from __future__ import annotations

import socket
import uuid

import pytest

from falconeri.server.operation import Access
from tests.server.conftest import MakeJob
from tests.server.contract.endpoints import ENDPOINTS, Endpoint
from tests.server.contract.rows import FIND, GET, RESERVE, covers
from tests.server.contract.test_transport import is_an_error
from tests.server.falconerid import Answer, Falconerid

WITH_ID = [e for e in ENDPOINTS if "{" in e.path]
WITH_BODY = [e for e in ENDPOINTS if e.declared.body is not None]
TYPED = [e for e in WITH_BODY if not e.declared.optional_body]


def call(falconerid: Falconerid, endpoint: Endpoint, path: str, body: bytes | None) -> Answer:
    return falconerid.call(endpoint.method, path, body, waiting=endpoint.declared.waiting)


def test_body_over_50_mib_is_413_before_route_and_credentials(falconerid: Falconerid) -> None:
    with socket.create_connection(("127.0.0.1", falconerid.port), timeout=60) as client:
        client.sendall(b"POST /nowhere HTTP/1.1\r\nContent-Length: 52428801\r\n\r\n")

        assert client.recv(65536).startswith(b"HTTP/1.1 413 ")


@covers(RESERVE)
def test_body_of_50_mib_is_accepted(falconerid: Falconerid) -> None:
    body = b'{"node_name":"node-1","pod_name":"pod-a"}'.ljust(52_428_800)

    answer = falconerid.call("POST", f"/jobs/{uuid.uuid4()}/reserve_next_datum", body)

    assert (answer.status, answer.json["code"]) == (404, "job_not_found")


@pytest.mark.parametrize(
    "endpoint", [e for e in WITH_ID if e.declared.access is not Access.PUBLIC], ids=str
)
def test_credentials_are_checked_before_the_path(
    falconerid: Falconerid, endpoint: Endpoint
) -> None:
    path = endpoint.path.replace("{", "").replace("}", "")

    answer = falconerid.call(
        endpoint.method, path, password=None, waiting=endpoint.declared.waiting
    )

    assert answer.status == 401


@pytest.mark.parametrize("endpoint", WITH_ID, ids=str)
def test_path_is_checked_before_query_and_body(falconerid: Falconerid, endpoint: Endpoint) -> None:
    name = endpoint.path.partition("{")[2].partition("}")[0]
    path = endpoint.path.replace(f"{{{name}}}", "xyz")

    answer = call(falconerid, endpoint, f"{path}?limit=none", b"{")

    assert (answer.status, answer.json["code"]) == (400, "bad_request")
    assert f"`{name}`" in answer.json["message"]
    assert "xyz" in answer.json["detail"]


@covers(GET)
@pytest.mark.parametrize("form", ["{}", "urn:uuid:{}", "%7B{}%7D"])
@pytest.mark.parametrize("case", [str.lower, str.upper])
def test_uuid_may_be_written_in_its_usual_ways(
    falconerid: Falconerid, make_job: MakeJob, form: str, case: type[str]
) -> None:
    job_id = make_job()["id"]
    written = form.format(case(job_id))

    assert falconerid.call("GET", f"/jobs/{written}").json["job"]["id"] == job_id
    assert falconerid.call("GET", f"/jobs/{case(job_id.replace('-', ''))}").status == 200


@pytest.mark.parametrize(
    "written",
    [
        "%20",
        "%00",
        "%FF",
        "%",
        "1",
        "0" * 31,
        "0" * 33,
        "g" * 32,
        "%2B" + "1" * 31,
        "1_1" + "1" * 29,
        "%D9%A1" * 32,
        "{{00000000-0000-0000-0000-000000000000",
        "0-" * 32,
        "00000000-0000-0000-0000-000000000000%0A",
    ],
)
def test_what_only_looks_like_a_uuid_is_400(falconerid: Falconerid, written: str) -> None:
    answer = falconerid.call("GET", f"/jobs/{written}/describe")

    assert answer.status == 400
    assert is_an_error(answer)


@covers(FIND)
def test_query_is_read_as_the_original_reads_it(falconerid: Falconerid, make_job: MakeJob) -> None:
    name = make_job()["job_name"]
    for query, status in (
        (f"job_name={name}", 200),
        (f"colour=red&job_name={name}&=&%zz", 200),
        (f"job_name={name}&job_name={name}", 400),
        ("job_name=", 404),
        ("job_name=%00", 422),
        ("job_name=%FF", 404),
    ):
        assert falconerid.call("GET", f"/jobs?{query}").status == status, query


@pytest.mark.parametrize("endpoint", TYPED, ids=str)
@pytest.mark.parametrize("media", ["", "text/plain", "text/json", "application/x", "json"])
def test_body_that_is_not_said_to_be_json_is_415_before_it_is_parsed(
    falconerid: Falconerid, endpoint: Endpoint, media: str
) -> None:
    answer = falconerid.call(
        endpoint.method,
        endpoint.nobody,
        b"{",
        headers={"Content-Type": media},
        waiting=endpoint.declared.waiting,
    )

    assert answer.status == 415
    assert is_an_error(answer)


@covers(RESERVE)
@pytest.mark.parametrize(
    "media",
    [
        "application/json",
        "application/json; charset=utf-8",
        "application/x+json",
        "APPLICATION/JSON",
    ],
)
def test_json_may_be_said_in_these_ways(
    falconerid: Falconerid, make_job: MakeJob, media: str
) -> None:
    path = f"/jobs/{make_job()['id']}/reserve_next_datum"
    body = b'{"node_name":"n","pod_name":"p"}'

    assert falconerid.call("POST", path, body, headers={"Content-Type": media}).status == 200


NOT_JSON = {
    "cut": b"{",
    "word": b"nonsense",
    "nan": b"NaN",
    "mark": b"\xef\xbb\xbf{}",
    "utf-16": '{"a":1}'.encode("utf-16"),
}
OF_ANOTHER_SHAPE = {
    "nul": b'{"a":"\\u0000"}',
    "array": b"[]",
    "null": b"null",
    "text": b'"text"',
    "number": b"1e999999",
}


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=str)
@pytest.mark.parametrize("kind", [*NOT_JSON, *OF_ANOTHER_SHAPE])
def test_what_is_not_json_is_told_from_what_has_another_shape(
    falconerid: Falconerid, endpoint: Endpoint, kind: str
) -> None:
    body = (NOT_JSON | OF_ANOTHER_SHAPE)[kind]

    answer = call(falconerid, endpoint, endpoint.nobody, body)

    assert answer.status == (400 if kind in NOT_JSON else 422)
    assert is_an_error(answer)


@covers(RESERVE)
@pytest.mark.parametrize(
    ("name", "status"),
    [
        (b'"\xff"', 400),
        (b'"\xed\xa0\x80"', 400),
        (b'"\\ud800"', 400),
        (b'"\x00"', 400),
        (b'"p" x', 400),
        (b'"p"} {', 400),
        (b'"p","deep":' + b'{"a":' * 100_000, 400),
        (b'"p","deep":' + b"[" * 100_000, 400),
        (b"1", 422),
        (b'"' + b"p" * 254 + b'"', 422),
        (b'""', 422),
        (b'"\\u0000"', 422),
        (b"9" * 100_000, 422),
    ],
    ids=lambda value: repr(value[:20]) if isinstance(value, bytes) else None,
)
def test_bad_body_is_the_callers_mistake(falconerid: Falconerid, name: bytes, status: int) -> None:
    body = b'{"node_name":"n","pod_name":' + name + b"}"

    answer = falconerid.call("POST", f"/jobs/{uuid.uuid4()}/reserve_next_datum", body)

    assert answer.status == status, answer.body
    assert is_an_error(answer)


@pytest.mark.parametrize("endpoint", TYPED, ids=str)
def test_missing_body_and_missing_field_are_told_apart(
    falconerid: Falconerid, endpoint: Endpoint
) -> None:
    assert call(falconerid, endpoint, endpoint.nobody, b"").status == 400
    assert call(falconerid, endpoint, endpoint.nobody, b"{}").status == 422


@pytest.mark.parametrize("endpoint", WITH_ID, ids=str)
def test_what_does_not_exist_is_404(falconerid: Falconerid, endpoint: Endpoint) -> None:
    answer = call(falconerid, endpoint, endpoint.nobody, endpoint.example)

    thing = "datum" if "{datum_id}" in endpoint.path else "job"
    assert (answer.status, answer.json["code"]) == (404, f"{thing}_not_found")
    assert is_an_error(answer)
