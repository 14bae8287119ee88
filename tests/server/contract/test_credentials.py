"""HTTP Basic on every endpoint but the public ones."""

from __future__ import annotations

import base64

import pytest

from falconeri.server.operation import Access
from tests.server.contract.endpoints import ENDPOINTS, Endpoint
from tests.server.contract.rows import ROWS, covers
from tests.server.falconerid import PASSWORD, Falconerid, basic

GUARDED = [e for e in ENDPOINTS if e.declared.access is not Access.PUBLIC]


def encoded(text: bytes) -> str:
    return "Basic " + base64.b64encode(text).decode()


@covers(*(row for row in ROWS if row.public))
@pytest.mark.parametrize("endpoint", [e for e in ENDPOINTS if e not in GUARDED], ids=str)
def test_public_endpoint_needs_no_credentials(falconerid: Falconerid, endpoint: Endpoint) -> None:
    assert falconerid.call(endpoint.method, endpoint.path, password=None).status == 200


@covers(*(row for row in ROWS if not row.public))
@pytest.mark.parametrize("endpoint", GUARDED, ids=str)
@pytest.mark.parametrize(
    ("header", "status", "message"),
    [
        (None, 401, "missing auth"),
        (basic("wrong"), 401, "invalid credentials"),
        ("Bearer abc", 400, "invalid auth header"),
    ],
    ids=["none", "wrong", "other"],
)
def test_endpoint_is_refused_without_credentials(
    falconerid: Falconerid, endpoint: Endpoint, header: str | None, status: int, message: str
) -> None:
    headers = {} if header is None else {"Authorization": header}

    answer = falconerid.call(
        endpoint.method,
        endpoint.nobody,
        endpoint.example,
        password=None,
        headers=headers,
        waiting=endpoint.declared.waiting,
    )

    assert (answer.status, answer.json["message"]) == (status, message)


@pytest.mark.parametrize(
    ("header", "status", "message"),
    [
        ("Basic ZmFs\xe9", 401, "missing auth"),
        (basic(PASSWORD).replace("Basic", "basic"), 400, "invalid auth header"),
        (basic(PASSWORD).replace(" ", "  "), 400, "invalid auth header"),
        ("Basic", 400, "invalid auth header"),
        ("Basic %%%", 400, "invalid auth header"),
        (basic(PASSWORD).rstrip("=")[:-1], 400, "invalid auth header"),
        (encoded(b"\xff:\xff"), 400, "invalid auth header"),
        (encoded(b"falconeri"), 400, "invalid auth header"),
        (basic(PASSWORD, user="Falconeri"), 401, "invalid credentials"),
        (basic(PASSWORD, user=""), 401, "invalid credentials"),
        (basic(PASSWORD + " "), 401, "invalid credentials"),
        (basic(PASSWORD[:-1]), 401, "invalid credentials"),
        (basic(""), 401, "invalid credentials"),
    ],
)
@pytest.mark.parametrize("path", ["/jobs/list", "/jobs/list?job_name=x"])
def test_wrong_credentials_are_told_apart(
    falconerid: Falconerid, path: str, header: str, status: int, message: str
) -> None:
    answer = falconerid.call("GET", path, password=None, headers={"Authorization": header})

    assert (answer.status, answer.json["message"]) == (status, message)


def test_password_may_hold_colons(falconerid: Falconerid) -> None:
    assert ":" in PASSWORD
    assert falconerid.call("GET", "/jobs/list", password=PASSWORD).status == 200


def test_newline_at_the_end_of_the_password_does_not_count(falconerid: Falconerid) -> None:
    assert falconerid.call("GET", "/jobs/list", password=PASSWORD + "\n").status == 200
