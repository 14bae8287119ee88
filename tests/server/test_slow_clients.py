"""Clients that send too slowly are cut off; what is ambiguous or too large is refused."""

from __future__ import annotations

import json
import socket
from itertools import chain, repeat
from pathlib import Path

import pytest

from tests.server.conftest import spec
from tests.server.falconerid import PASSWORD, Falconerid, basic

HEAD = f"POST /jobs HTTP/1.1\r\nHost: x\r\nAuthorization: {basic(PASSWORD)}\r\n".encode()
BODY = HEAD + b"Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n"


@pytest.mark.parametrize("waiting", [False, True])
@pytest.mark.parametrize("begin", [b"", HEAD + b"X-Drip: ", BODY], ids=["first", "header", "body"])
def test_client_that_drips_is_cut_off(hasty: Falconerid, begin: bytes, *, waiting: bool) -> None:
    with socket.create_connection(("127.0.0.1", _port(hasty, waiting=waiting))) as client:
        client.sendall(begin)
        assert _is_cut_off_while_dripping(client)


@pytest.mark.parametrize("waiting", [False, True])
def test_client_that_says_nothing_is_cut_off(hasty: Falconerid, *, waiting: bool) -> None:
    with socket.create_connection(("127.0.0.1", _port(hasty, waiting=waiting))) as client:
        assert client.recv(1) == b""


@pytest.mark.parametrize("waiting", [False, True])
def test_next_request_of_a_connection_has_its_limit_too(
    hasty: Falconerid, *, waiting: bool
) -> None:
    with socket.create_connection(("127.0.0.1", _port(hasty, waiting=waiting))) as client:
        client.sendall(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"404" in client.recv(65536)
        client.sendall(HEAD)
        assert _is_cut_off_while_dripping(client)


def test_waiting_takes_longer_than_a_request_may(hasty: Falconerid, tmp_path: Path) -> None:
    job = hasty.call("POST", "/jobs", {"job": spec(tmp_path, 1)}).json["job"]["id"]

    assert hasty.call("GET", f"/jobs/{job}/wait?hold_s=2.5", waiting=True).status == 200


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_request_with_two_lengths_is_refused(falconerid: Falconerid, version: str) -> None:
    status, body = _raw(falconerid.port, version)

    assert status == 400
    assert "Transfer-Encoding" in json.loads(body)["detail"]


def test_request_with_two_lengths_is_refused_by_the_waiting_port(falconerid: Falconerid) -> None:
    status, body = _raw(falconerid.wait_port, "1.1")

    assert status == 400
    assert "Transfer-Encoding" in json.loads(body)["message"]


def _raw(port: int, version: str) -> tuple[int, bytes]:
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(
            HEAD.replace(b"1.1", version.encode())
            + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        )
        head, _, body = client.makefile("rb").read().partition(b"\r\n\r\n")
    return int(head.split()[1]), body


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (HEAD + b"Content-Length: 52428801\r\n\r\n", 413),
        ((HEAD + b"X-Long: ").ljust(16384, b"x"), 431),
    ],
    ids=["body", "header"],
)
def test_what_is_too_large_is_refused_before_it_is_read(
    falconerid: Falconerid, sent: bytes, status: int
) -> None:
    with socket.create_connection(("127.0.0.1", falconerid.port)) as client:
        client.sendall(sent)
        head, _, body = client.makefile("rb").read().partition(b"\r\n\r\n")

    assert int(head.split()[1]) == status
    assert json.loads(body)["code"] == f"http_{status}"


def _port(server: Falconerid, *, waiting: bool) -> int:
    return server.wait_port if waiting else server.port


def _is_cut_off_while_dripping(client: socket.socket) -> bool:
    """Send a byte ten times a second, for a minute at most."""
    client.settimeout(0.1)
    for byte in chain([b"G"], repeat(b"E", 600)):
        try:
            client.sendall(byte)
            if client.recv(65536) == b"":
                return True
        except TimeoutError:
            continue
        except ConnectionError:
            return True
    return False
