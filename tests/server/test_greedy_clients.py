"""Clients that send requests and take no answer, and clients that take all connections."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack, contextmanager
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import pytest

from falconeri.config import ServerConfig
from falconeri.server import rest_port, waiting_port
from falconeri.server.hub import Hub
from falconeri.server.rest_port import RestServer
from falconeri.server.serve import THREADS, make_services
from falconeri.server.sockets import bound
from falconeri.server.waiting_port import WaitingServer
from tests.processes import wait_until
from tests.server.conftest import spec
from tests.server.falconerid import PASSWORD, Falconerid, basic

LARGE = b"GET /api-docs/openapi.json HTTP/1.1\r\n\r\n"
"""More than 64 KiB, for anybody."""

AT_ONCE = 190
"""So many of them fit into what the server reads at once: 20 MB of answers."""

SMALL = b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"


def connect(port: int, *, narrow: bool = False) -> socket.socket:
    """A client; a narrow one has next to no room for what it hasn't read."""
    client = socket.socket()
    client.settimeout(60)
    if narrow:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    client.connect(("127.0.0.1", port))
    return client


def is_open(client: socket.socket) -> bool:
    """Whether the server has not closed it; of a client that expects no answer."""
    client.settimeout(0)
    try:
        return client.recv(1) != b""
    except BlockingIOError:
        return True
    except ConnectionError:
        return False
    finally:
        client.settimeout(60)


def ask(client: socket.socket) -> int:
    """Send a request; the answer's status."""
    client.sendall(SMALL)
    return answered(client)


def answered(client: socket.socket) -> int:
    """Read a whole answer; its status."""
    response = HTTPResponse(client)
    response.begin()
    response.read()
    return response.status


def served(falconerid: Falconerid) -> str:
    """How many of the large answers have been begun, as the metrics say it."""
    text = falconerid.call("GET", "/metrics").body.decode()
    name = 'falconerid_request_duration_seconds_count{method="GET",route="/api-docs/openapi.json"}'
    return next((line for line in text.splitlines() if line.startswith(name)), "")


def test_clients_that_read_nothing_hold_no_thread(falconerid: Falconerid) -> None:
    before = served(falconerid)
    with ExitStack() as clients:
        for _ in range(THREADS + 2):
            client = clients.enter_context(connect(falconerid.port, narrow=True))
            client.sendall(LARGE * AT_ONCE)

        wait_until(lambda: served(falconerid) != before)
        wait_until(lambda: len({served(falconerid) for _ in range(20)}) == 1)

        assert falconerid.call("GET", "/jobs/list").status == 200
        assert not [e for e in falconerid.events("client_dropped") if e["reason"] == "slow_reader"]


def test_client_that_reads_late_gets_all_its_answers_in_their_order(
    falconerid: Falconerid,
) -> None:
    sent = [f"r-{number}" for number in range(6)]
    requests = [
        LARGE.replace(b"\r\n\r\n", f"\r\nX-Request-Id: {key}\r\n\r\n".encode()) for key in sent
    ]
    requests[-1] = requests[-1].replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    before = served(falconerid)
    with connect(falconerid.port, narrow=True) as client:
        client.sendall(b"".join(requests))
        wait_until(lambda: served(falconerid) != before)

        lines = client.makefile("rb").read().splitlines()

    name = b"X-Request-Id: "
    keys = [line.removeprefix(name).decode() for line in lines if line.startswith(name)]
    assert keys == sent


def slow_readers(falconerid: Falconerid, port: str) -> int:
    """How many clients one of its ports has dropped for that."""
    dropped = falconerid.events("client_dropped")
    seen = [(event["logger"], event["reason"]) for event in dropped]
    return seen.count((f"falconeri.server.{port}", "slow_reader"))


def test_client_that_takes_nothing_of_its_answers_is_dropped(hasty: Falconerid) -> None:
    with connect(hasty.port, narrow=True) as client:
        client.sendall(LARGE * AT_ONCE)

        wait_until(lambda: slow_readers(hasty, "rest_port"))


def test_client_that_takes_nothing_of_its_work_is_dropped(
    hasty: Falconerid, tmp_path: Path
) -> None:
    """At the waiting port; it asks again and again for a datum that is long to tell."""
    folder = tmp_path.joinpath(*("x" * 200 for _ in range(4)))
    folder.mkdir(parents=True)
    (folder / "a").touch()
    atom = {"URI": f"file://{folder}/", "glob": "/"}
    factors = [{"atom": atom | {"repo": f"r{number}"}} for number in range(200)]
    pipeline = spec(tmp_path, 1) | {"input": {"cross": factors}}
    job_id = hasty.call("POST", "/jobs", {"job": pipeline}).json["job"]["id"]
    body = b'{"pod_name":"p","node_name":"n"}'
    head = (
        f"POST /jobs/{job_id}/wait_for_work HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: {basic(PASSWORD)}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with connect(hasty.wait_port, narrow=True) as client:
        client.sendall((head.encode() + body) * 100)

        wait_until(lambda: slow_readers(hasty, "waiting_port"))


def test_large_answer_is_taken_slowly_by_a_client_that_reads(hasty: Falconerid) -> None:
    with connect(hasty.port, narrow=True) as client:
        client.sendall(LARGE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        head, _, body = client.makefile("rb").read().partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 200 ")
    assert json.loads(body)["openapi"] == "3.1.0"


# --- Crowds: servers in this process, with few connections --------------------------------------

FEW = 40
CROWD = FEW * 3 // 4


def hello(_environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    start("200 OK", [("Content-Length", "5")])
    return [b"hello"]


@contextmanager
def rest(app: Callable[..., Any] = hello) -> Generator[int]:
    """A REST port of few connections; where."""
    (listener,) = bound("127.0.0.1", 0, shared=False)
    port: int = listener.getsockname()[1]
    server = RestServer(app, [listener], threads=2, request_limit_s=3600, connections=FEW)
    stop = threading.Event()
    thread = threading.Thread(target=server.run_until, args=(stop,))
    thread.start()
    try:
        yield port
    finally:
        stop.set()
        thread.join()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is dropped, but for the sake of a crowd."""
    monkeypatch.setattr(rest_port, "HEADER_LIMIT_S", 3600.0)
    monkeypatch.setattr(rest_port, "IDLE_LIMIT_S", 3600.0)
    monkeypatch.setattr(waiting_port, "HEADER_LIMIT_S", 3600.0)


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("first", [b"", b"GET / HT", SMALL], ids=["silent", "slow", "idle"])
def test_crowd_of_clients_that_ask_nothing_keeps_nobody_out(first: bytes) -> None:
    with rest() as port, ExitStack() as clients:
        crowd = [clients.enter_context(connect(port)) for _ in range(CROWD + 1)]
        for client in crowd:
            client.sendall(first)
            if first == SMALL:
                assert answered(client) == 200
        late = [clients.enter_context(connect(port)) for _ in range(FEW)]

        for client in late:
            assert ask(client) == 200
        wait_until(lambda: not any(map(is_open, crowd)))


@pytest.mark.usefixtures("patient")
def test_request_in_work_is_not_dropped_for_a_crowd() -> None:
    begun, go = threading.Event(), threading.Event()

    def slow(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        begun.set()
        go.wait(60)
        return hello(environ, start)

    with rest(slow) as port, ExitStack() as clients:
        honest = clients.enter_context(connect(port))
        honest.sendall(SMALL)
        assert begun.wait(60)
        crowd = [clients.enter_context(connect(port)) for _ in range(CROWD + 1)]
        wait_until(lambda: not any(map(is_open, crowd)))
        go.set()

        assert answered(honest) == 200


@pytest.fixture
def four(database_url: str, patient: None) -> Generator[int]:
    """A waiting port of four connections; where."""
    del patient
    environ = {"FALCONERI_DATABASE_URL": database_url, "FALCONERI_PASSWORD": PASSWORD}
    services = make_services(ServerConfig.from_environment(environ), lambda _: {})
    (listener,) = bound("127.0.0.1", 0, shared=False)
    port: int = listener.getsockname()[1]
    server = WaitingServer(
        services, Hub(database_url), [listener], request_limit_s=3600, connections=4
    )
    server.start()
    yield port
    server.stop()
    services.db.close()


def test_one_client_too_many_at_the_waiting_port_is_told_to_come_again(four: int) -> None:
    with ExitStack() as clients:
        early = [clients.enter_context(connect(four)) for _ in range(4)]
        for client in early:
            assert ask(client) == 404
        late = clients.enter_context(connect(four))
        late.sendall(SMALL)
        head, _, body = late.makefile("rb").read().partition(b"\r\n\r\n")

        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nretry-after: " in head
        assert b"\r\nx-request-id: " in head
        assert json.loads(body)["code"] == "unavailable"
        for client in early:
            assert ask(client) == 404


def test_silent_client_is_dropped_sooner_when_the_waiting_port_is_crowded(four: int) -> None:
    with ExitStack() as clients:
        early = [clients.enter_context(connect(four)) for _ in range(3)]
        late = clients.enter_context(connect(four))

        assert late.recv(1) == b""
        for client in early:
            assert ask(client) == 404
