"""Requests, retries, deadlines, connections."""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
import time
from dataclasses import replace

import msgspec
import pytest

from falconeri.client.connections import Connections
from falconeri.client.retry import ONCE, RetryPolicy
from falconeri.client.transport import Transport, waiting_url
from falconeri.errors import FalconeriError, InvalidArgument, JobNotFound, Unavailable
from tests.client.server import Chunks, Reply, Script, Seen, in_turn, of_json, serving

QUICK = RetryPolicy(deadline_s=30.0, base_s=0.001, cap_s=0.002, tries=5)


class Answer(msgspec.Struct):
    number: int


def transport(url: str, retries: RetryPolicy = QUICK, timeout_s: float = 10.0) -> Transport:
    return Transport(url, "sécret:with:colons", timeout_s=timeout_s, retries=retries)


def unused_url() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}/"


def test_a_call_carries_credentials_json_and_query() -> None:
    with serving(in_turn(of_json({"number": 7}))) as server:
        answer = transport(server.url).fetch(
            "POST", "jobs", Answer, body=Answer(1), query={"job_name": "a b&c"}
        )

    assert answer == Answer(7)
    [seen] = server.seen
    assert (seen.method, seen.path, seen.body) == (
        "POST",
        "/jobs?job_name=a+b%26c",
        b'{"number":1}',
    )
    assert seen.headers["Content-Type"] == "application/json"
    scheme, _, token = seen.headers["Authorization"].partition(" ")
    assert scheme == "Basic"
    assert base64.b64decode(token).decode() == "falconeri:sécret:with:colons"


def test_the_password_is_in_no_repr() -> None:
    assert "sécret" not in repr(transport("http://localhost:1/"))


@pytest.mark.parametrize("first", [Reply(500, b"oops"), Reply(503), Reply(429), None])
def test_failures_of_the_server_are_tried_again(first: Reply | None) -> None:
    with serving(in_turn(first, of_json({"number": 1}))) as server:
        assert transport(server.url).fetch("GET", "x", Answer) == Answer(1)
        assert len(server.seen) == 2


@pytest.mark.parametrize("body", [b"", b"{", b'{"other": 1}', b"<html>"])
def test_an_answer_of_another_shape_is_an_error_and_not_tried_again(body: bytes) -> None:
    with serving(in_turn(Reply(200, body))) as server:
        with pytest.raises(FalconeriError, match="cannot be understood"):
            transport(server.url).fetch("GET", "x", Answer)
        assert len(server.seen) == 1


def test_an_error_of_the_caller_is_not_tried_again() -> None:
    body = {"code": "job_not_found", "message": "job not found", "detail": "j1"}
    with serving(in_turn(of_json(body, 404))) as server:
        with pytest.raises(JobNotFound, match="j1"):
            transport(server.url).fetch("GET", "jobs/j1", Answer)
        assert len(server.seen) == 1


def test_the_last_error_is_raised_when_the_tries_are_spent() -> None:
    with serving(in_turn(Reply(500, b"first"), Reply(500, b"later"))) as server:
        with pytest.raises(FalconeriError, match="later"):
            transport(server.url).fetch("GET", "x", Answer)
        assert len(server.seen) == QUICK.tries


def test_no_try_begins_after_the_deadline() -> None:
    pauses: list[float] = []
    policy = RetryPolicy(deadline_s=5.0, base_s=0.001, cap_s=60.0)
    with serving(in_turn(Reply(503, b"", {"Retry-After": "7"}))) as server:
        hasty = transport(server.url, policy).but(pause=pauses.append)
        with pytest.raises(Unavailable):
            hasty.fetch("GET", "x", Answer)
    assert (len(server.seen), pauses) == (1, [])


def after_a_while(script: Script) -> Script:
    def answer(seen: Seen) -> Reply | Chunks | None:
        time.sleep(0.3)
        return script(seen)

    return answer


HASTY = RetryPolicy(deadline_s=0.2, base_s=0.001)


def test_a_try_is_cut_at_the_deadline() -> None:
    script = after_a_while(in_turn(of_json({"number": 1})))
    with serving(script) as server, pytest.raises(Unavailable, match="timed out"):
        transport(server.url, HASTY).fetch("GET", "x", Answer)


@pytest.mark.parametrize("replies", [[], [None]], ids=["the first", "the second"])
def test_a_whole_try_outlasts_a_deadline_that_begins_with_a_failure(replies: list[None]) -> None:
    script = after_a_while(in_turn(*replies, of_json({"number": 1})))
    with serving(script) as server:
        policy = replace(HASTY, whole_tries=True)
        assert transport(server.url, policy).fetch("GET", "x", Answer) == Answer(1)


def test_retry_after_is_heeded() -> None:
    pauses: list[float] = []
    with serving(in_turn(Reply(503, b"", {"Retry-After": "2"}), of_json({"number": 1}))) as server:
        policy = RetryPolicy(deadline_s=60.0, base_s=0.001)
        transport(server.url, policy).but(pause=pauses.append).fetch("GET", "x", Answer)
    assert pauses == [2.0]


def test_a_pause_may_give_up() -> None:
    def give_up(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        transport(unused_url()).but(pause=give_up).fetch("GET", "x", Answer)


def test_an_unreachable_server_is_named() -> None:
    url = unused_url()
    with pytest.raises(Unavailable, match=f"cannot be reached: {url}.*[Rr]efused"):
        transport(url, ONCE).fetch("GET", "x", Answer)


def test_a_silent_server_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(Unavailable, match="timed out"):
            transport(url, ONCE, timeout_s=0.05).fetch("GET", "x", Answer)


def drip(server: socket.socket) -> None:
    """Send one byte after the other until the client has had enough."""
    client, _ = server.accept()
    with client, contextlib.suppress(OSError):
        client.recv(65536)
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while True:
            client.sendall(b" ")
            time.sleep(0.01)


def test_an_answer_that_comes_in_drops_is_given_up() -> None:
    """Each read is quick, and all of them together would take hours."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        thread = threading.Thread(target=drip, args=(server,))
        thread.start()
        with pytest.raises(Unavailable, match="did not end in time"):
            transport(url, ONCE, timeout_s=0.2).fetch("GET", "x", Answer)
        thread.join()


def test_calls_share_a_connection() -> None:
    with serving(in_turn(of_json({"number": 1}))) as server:
        calls = transport(server.url)
        for _ in range(3):
            calls.but(retries=ONCE).fetch("GET", "x", Answer)
        calls.connections.close()
    assert {seen.connection for seen in server.seen} == {1}


def test_an_idle_connection_is_closed_and_made_anew() -> None:
    with serving(in_turn(of_json({"number": 1}))) as server:
        calls = Transport(
            server.url,
            "secret",
            timeout_s=10.0,
            retries=ONCE,
            connections=Connections(idle_s=0.02),
        )
        calls.fetch("GET", "x", Answer)
        assert server.closed_connections.acquire(timeout=30)
        calls.fetch("GET", "x", Answer)
        assert server.closed_connections.acquire(timeout=30)
    assert [seen.connection for seen in server.seen] == [1, 2]


def test_redirects_are_not_followed() -> None:
    with serving(in_turn(Reply(302, b"", {"Location": "/elsewhere"}))) as server:
        with pytest.raises(FalconeriError, match="302"):
            transport(server.url).fetch("POST", "x", Answer)
        assert len(server.seen) == 1


@pytest.mark.parametrize(
    "url",
    ["localhost:8089", "ftp://x/", "http://", "http://u:p@x/", "http://x:99999/", "http://x?y"],
)
def test_what_is_no_url_of_falconerid_is_refused(url: str) -> None:
    with pytest.raises(InvalidArgument):
        transport(url)


@pytest.mark.parametrize(
    ("url", "waiting"),
    [
        ("http://falconerid:8089/", "http://falconerid:8090/"),
        ("http://[::1]:1", "http://[::1]:2/"),
        ("https://example.com/api", "https://example.com:444/api/"),
    ],
)
def test_the_waiting_port_is_the_next_one(url: str, waiting: str) -> None:
    assert waiting_url(url) == waiting


def test_pauses_are_jittered_doubled_and_capped() -> None:
    policy = RetryPolicy(deadline_s=1.0, base_s=1.0, cap_s=8.0)
    longest = [
        max(policy.pause_s(failures) for _ in range(200)) for failures in (1, 2, 3, 4, 5, 99)
    ]
    assert longest == [pytest.approx(each, rel=0.2) for each in (1, 2, 4, 8, 8, 8)]
    assert min(policy.pause_s(4) for _ in range(200)) < 1.0
