"""Every answer and every line of the log about a request has the request's id."""

from __future__ import annotations

import json
import socket
import uuid

import psycopg
import pytest

from falconeri.tokens import make_token
from tests.databases import fresh_database
from tests.processes import wait_until
from tests.server.falconerid import PASSWORD, Falconerid, basic, running

WAIT = "/jobs/6f1d6f0e-8a4b-4c0e-9d52-0f3a5c1b7e21/wait?hold_s=0"


@pytest.mark.parametrize("waiting", [False, True])
def test_id_of_the_request_comes_back(falconerid: Falconerid, *, waiting: bool) -> None:
    for password in (PASSWORD, "wrong", None):
        answer = falconerid.call(
            "GET", WAIT, password=password, headers={"X-Request-Id": "a-7.b"}, waiting=waiting
        )

        assert answer.headers["x-request-id"] == "a-7.b"


@pytest.mark.parametrize("waiting", [False, True])
@pytest.mark.parametrize("given", [None, "", "x" * 65, "two words", "tab\t.", "caf\xe9"])
def test_request_without_a_sane_id_gets_a_new_one(
    falconerid: Falconerid, given: str | None, *, waiting: bool
) -> None:
    headers = {} if given is None else {"X-Request-Id": given}

    first, second = (
        falconerid.call("GET", WAIT, headers=headers, waiting=waiting).headers["x-request-id"]
        for _ in range(2)
    )

    assert len(uuid.UUID(first).hex) == 32
    assert first != second


def test_request_that_is_no_request_gets_one_too(falconerid: Falconerid) -> None:
    with socket.create_connection(("127.0.0.1", falconerid.port)) as client:
        client.sendall(b"nonsense\r\n\r\n")
        head, _, body = client.makefile("rb").read().partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.0 400 ")
    assert b"X-Request-Id: " in head
    assert json.loads(body)["code"] == "http_400"


@pytest.mark.parametrize(("path", "waiting"), [("/jobs/list", False), (WAIT, True)])
def test_failed_authentication_is_logged_without_the_credentials(
    falconerid: Falconerid, path: str, *, waiting: bool
) -> None:
    key = uuid.uuid4().hex
    token = make_token(PASSWORD, uuid.uuid4())
    elsewhere = "a worker's token is for another job"  # of its own it may await the end
    tried = {
        basic("guessed-it"): (401, "invalid credentials"),
        basic("guessed-it", "root"): (401, "invalid credentials"),
        basic(token): (403, elsewhere if waiting else "a worker can't do this"),
        "Bearer me": (400, "invalid auth header"),
    }
    for header in tried:
        headers = {"Authorization": header, "X-Request-Id": key}
        falconerid.call("GET", path, password=None, headers=headers, waiting=waiting)

    logged = [line for line in falconerid.events("auth_failed") if line["request_id"] == key]

    assert [(line["status"], line["reason"]) for line in logged] == list(tried.values())
    assert {(line["path"], line["peer"]) for line in logged} == {
        (path.partition("?")[0], "127.0.0.1")
    }
    text = falconerid.log.read_text()
    for secret in ("guessed-it", token, "Bearer", basic("guessed-it")[6:], basic(token)[6:]):
        assert secret not in text


def test_defect_is_logged_with_the_requests_id(tmp_path_factory: pytest.TempPathFactory) -> None:
    state = tmp_path_factory.mktemp("state")
    with fresh_database() as url, running(url, state) as server:
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute("drop function falconeri.list_jobs cascade")

        server.call("GET", "/jobs/list", headers={"X-Request-Id": "it-was-me"})

        wait_until(lambda: server.events("request_failed"))
        assert server.events("request_failed")[0]["request_id"] == "it-was-me"
