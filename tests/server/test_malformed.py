"""What is not a request is refused, and leaves nothing behind in the server."""

from __future__ import annotations

import json
import os
import socket
import uuid
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.databases import fresh_database
from tests.server.conftest import MakeJob
from tests.server.falconerid import Falconerid, running
from tests.server.malformed import CLOSE, REFUSED, UNFINISHED, get, noise, post

BOTH_PORTS = pytest.mark.parametrize("waiting", [False, True], ids=["rest", "waiting"])

WARM_UP, ROUNDS = 2, 5
SLOW = 10

KEPT_BYTES = 1500
"""Of each request, on average: less than any object that a server makes of one. In fact about 200,
and ever less."""


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Falconerid]:
    """A falconerid that does nothing else meanwhile."""
    state = tmp_path_factory.mktemp("state")
    with fresh_database() as url, running(url, state) as server:
        yield server


def send(falconerid: Falconerid, request: bytes, *, waiting: bool, then_end: bool = False) -> bytes:
    """All that comes back until the server closes the connection."""
    port, path = (
        (falconerid.wait_port, f"/jobs/{uuid.uuid4()}/wait_for_work")
        if waiting
        else (falconerid.port, f"/jobs/{uuid.uuid4()}/claim")
    )
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        try:
            client.sendall(request.replace(b"{path}", path.encode()))
            if then_end:
                client.shutdown(socket.SHUT_WR)
            while data := client.recv(65536):
                received += data
        except ConnectionError:  # it was closed before it was read to the end
            pass
    return received


def require_alive(falconerid: Falconerid) -> None:
    assert falconerid.process.poll() is None
    nobody = uuid.uuid4()
    assert falconerid.call("GET", f"/jobs/{nobody}").status == 404
    assert falconerid.call("GET", f"/jobs/{nobody}/wait?hold_s=0", waiting=True).status == 404


@BOTH_PORTS
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_request_is_refused_in_our_form(
    falconerid: Falconerid, name: str, *, waiting: bool
) -> None:
    received = send(falconerid, REFUSED[name], waiting=waiting)

    head, _, body = received.partition(b"\r\n\r\n")
    status = int(head.split()[1])
    assert 400 <= status < 500 or status == 501
    assert b"\r\nx-request-id: " in head.lower()
    assert b"\r\ncontent-type: application/json" in head.lower()
    assert set(json.loads(body)) == {"code", "message", "detail", "hint"}


@BOTH_PORTS
def test_odd_requests_are_understood(
    falconerid: Falconerid, make_job: MakeJob, *, waiting: bool
) -> None:
    job = f"/jobs/{make_job()['id']}"
    found = f"{job}/wait?hold_s=0" if waiting else job
    asking = f"{job}/wait_for_work" if waiting else f"{job}/claim"
    body = b'{"pod_name":"p","node_name":"n","hold_s":0}'
    length = b"Content-Length: %d\r\n" % len(body)
    chunks = (
        b"5;a=b\r\n"
        + body[:5]
        + b"\r\n%x\r\n" % len(body[5:])
        + body[5:]
        + b"\r\n0\r\nX: y\r\n\r\n"
    )
    good = get(found.encode())
    for request, count in (
        (get(found.encode(), b" HTTP/1.0"), 1),
        (good.replace(b"\r\n\r\n", b"\r\nX: \xff\xfe\r\nX-Folded: a\r\n b\r\n\r\n"), 1),
        (good.replace(b"\r\n\r\n", b"\r\nUpgrade: h2c\r\n\r\n"), 1),
        (good.replace(CLOSE, b"") * 4 + good, 5),
        (post(length, body), 1),
        (post(b"Transfer-Encoding: chunked\r\n", chunks), 1),
        (post(length + b"Expect: 100-continue\r\n", body), 1),
    ):
        answers = send(falconerid, request.replace(b"{path}", asking.encode()), waiting=waiting)
        assert answers.count(b" 200 OK\r\n") == count, request
    require_alive(falconerid)


@contextmanager
def slow_ones(falconerid: Falconerid) -> Generator[None]:
    """Clients that meanwhile are in the middle of what they send."""
    with ExitStack() as clients:
        for port in (falconerid.port, falconerid.wait_port):
            for sent in (b"", b"GET / HTTP/1.1\r\nX: ", post(b"Content-Length: 9\r\n", b"{")):
                for _ in range(SLOW):
                    client = socket.create_connection(("127.0.0.1", port), timeout=60)
                    clients.enter_context(client).sendall(sent)
        yield


def play(falconerid: Falconerid, seed: int) -> int:
    """Send everything to both ports; how many requests that was."""
    cut = [*UNFINISHED.values(), *noise(seed)]
    with slow_ones(falconerid):
        for waiting in (False, True):
            for request in REFUSED.values():
                send(falconerid, request, waiting=waiting)
            for request in cut:
                send(falconerid, request, waiting=waiting, then_end=True)
            require_alive(falconerid)
    return 2 * (len(REFUSED) + len(cut) + 3 * SLOW)


def resident_bytes(falconerid: Falconerid) -> int:
    pages = int(Path(f"/proc/{falconerid.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_server_lives_on_and_its_memory_stays(target: Falconerid) -> None:
    for seed in range(WARM_UP):
        play(target, seed)
    warm = resident_bytes(target)

    requests = sum(play(target, seed) for seed in range(WARM_UP, WARM_UP + ROUNDS))

    assert resident_bytes(target) - warm < KEPT_BYTES * requests
    assert not target.events("request_failed")
    assert "Traceback" not in target.log.read_text()
