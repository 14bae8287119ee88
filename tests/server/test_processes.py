"""`falconerid serve --processes N`: several processes behind the same two ports."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from falconeri.local._ports import free_ports
from tests import processes
from tests.databases import fresh_database
from tests.processes import wait_until
from tests.server.conftest import spec
from tests.server.falconerid import PASSWORD, Falconerid, running


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Falconerid]:
    with fresh_database() as url:
        with running(url, tmp_path, "--processes", "2") as server:
            wait_until(lambda: server.events("processes_ready"))
            yield server
        processes.wait_until_nothing_is_left(tmp_path)


def children(server: Falconerid) -> set[int]:
    pid = server.process.pid
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def serves(server: Falconerid) -> bool:
    try:
        return server.call("GET", "/healthz", password=None).status == 200
    except OSError:  # it went to the process that is dying
        return False


def test_both_ports_are_shared_by_two_processes(two: Falconerid) -> None:
    assert len(children(two)) == 2
    for port in (two.port, two.wait_port):
        listening = f"{port:04X} 00000000:0000 0A"
        lines = Path("/proc/net/tcp").read_text().splitlines()
        assert sum(listening in line for line in lines) == 2


def test_killed_process_is_replaced_while_the_other_serves(two: Falconerid, tmp_path: Path) -> None:
    before = children(two)
    killed, left = before
    os.kill(killed, signal.SIGKILL)

    wait_until(lambda: len(children(two) - {killed}) == 2)
    wait_until(lambda: len(two.events("serve_ready")) == 3)

    assert left in children(two)
    assert two.events("process_died")[0]["status"] == -signal.SIGKILL
    for _ in range(20):
        assert serves(two)
    assert two.call("POST", "/jobs", {"job": spec(tmp_path, 1)}).status == 200


def test_requests_go_on_while_a_process_is_away(two: Falconerid) -> None:
    killed, _ = children(two)
    os.kill(killed, signal.SIGKILL)

    wait_until(lambda: two.events("process_died"))

    for _ in range(10):
        assert serves(two)


def test_all_stop_with_the_parent(two: Falconerid) -> None:
    assert two.stop() == 0

    assert len(two.events("serve_stopped")) == 2


def test_all_stop_when_the_parent_is_killed(two: Falconerid) -> None:
    two.process.kill()

    wait_until(lambda: len(two.events("serve_stopped")) == 2)


def test_process_that_cannot_start_ends_all(tmp_path: Path) -> None:
    with fresh_database() as url, socket.create_server(("127.0.0.1", 0)) as taken:
        environment = os.environ | {
            "FALCONERI_DATABASE_URL": url,
            "FALCONERI_PASSWORD": PASSWORD,
            "FALCONERI_LISTEN_HOST": "127.0.0.1",
            "FALCONERI_PORT": str(free_ports()[0]),
            "FALCONERI_WAIT_PORT": str(taken.getsockname()[1]),
            "FALCONERI_STATE": str(tmp_path),
            "FALCONERI_PROCESSES": "2",
        }
        ended = subprocess.run(
            [sys.executable, "-m", "falconeri.daemon", "serve"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    assert ended.returncode == 1
    assert "can't listen on port" in ended.stderr
    assert ended.stderr.splitlines()[-1].startswith("falconerid serve: a process could not start")
    processes.wait_until_nothing_is_left(tmp_path)
