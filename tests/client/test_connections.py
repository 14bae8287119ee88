"""Which connections are used again, and which answers count as whole."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from falconeri.client.connections import Connections, Response, Unreached
from tests.client.server import Chunks, Reply, Seen, in_turn, serving
from tests.kube.tls import tls_before

LIMIT_S = 30.0


def get(connections: Connections, url: str) -> Response:
    with connections.open("GET", url, headers={}, body=None, limit_s=LIMIT_S) as stream:
        return stream.whole(time.monotonic() + LIMIT_S)


@pytest.fixture
def connections() -> Connections:
    return Connections(idle_s=1000.0, size=2)


def test_connection_that_the_server_has_closed_meanwhile_is_not_used_again(
    connections: Connections,
) -> None:
    with serving(in_turn(Chunks((b"a", b"b")))) as server:
        for number in (1, 2):
            assert get(connections, server.url).body == b"ab"
            assert server.closed_connections.acquire(timeout=LIMIT_S)
            assert server.seen[-1].connection == number


def test_connection_that_the_answer_ends_is_not_used_again(connections: Connections) -> None:
    with serving(in_turn(Reply(200, b"a", {"Connection": "close"}))) as server:
        assert [get(connections, server.url).body for _ in range(2)] == [b"a", b"a"]
        assert [seen.connection for seen in server.seen] == [1, 2]


def test_connection_whose_answer_was_not_read_to_its_end_is_closed(
    connections: Connections,
) -> None:
    with serving(in_turn(Reply(200, b"a" * 1_000_000))) as server:
        with connections.open("GET", server.url, headers={}, body=None, limit_s=LIMIT_S) as stream:
            assert next(stream.chunks())
        assert server.closed_connections.acquire(timeout=LIMIT_S)


def test_no_more_are_kept_than_wished(connections: Connections) -> None:
    together = threading.Barrier(3)

    def answer(_: Seen) -> Reply:
        together.wait(LIMIT_S)
        return Reply(200, b"a")

    with serving(answer) as server, ThreadPoolExecutor(3) as pool:
        for _ in range(2):
            for call in [pool.submit(get, connections, server.url) for _ in range(3)]:
                assert call.result().body == b"a"
        assert server.closed_connections.acquire(timeout=LIMIT_S)
        assert {seen.connection for seen in server.seen[3:]} - {1, 2, 3} == {4}
        connections.close()
        for _ in range(3):
            assert server.closed_connections.acquire(timeout=LIMIT_S)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b"half", {"Content-Length": "8", "Connection": "close"}),
        Chunks((b"half",), ending=b""),
    ],
)
def test_half_an_answer_is_none(connections: Connections, reply: Reply | Chunks) -> None:
    with serving(in_turn(reply)) as server, pytest.raises(Unreached, match="was cut off"):
        get(connections, server.url)


def test_what_is_no_http_is_no_answer(connections: Connections) -> None:
    with serving(in_turn(None)) as server, pytest.raises(Unreached, match="without response"):
        get(connections, server.url)


def test_certificates_are_checked(
    connections: Connections, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        serving(in_turn(Reply(200, b"a"))) as server,
        tls_before(urlsplit(server.url).port or 0, tmp_path) as (port, authority),
    ):
        url = f"https://127.0.0.1:{port}/"
        with pytest.raises(Unreached, match="certificate verify failed"):
            get(connections, url)
        assert not server.seen

        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        trusting = Connections()
        assert [get(trusting, url).body for _ in range(2)] == [b"a", b"a"]
        assert [seen.connection for seen in server.seen] == [1, 1]
        trusting.close()
