"""The real `falconerid serve` as a process of its own, and raw HTTP to it."""

from __future__ import annotations

import base64
import http.client
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from falconeri.local._ports import free_ports
from tests.databases import as_server
from tests.processes import wait_until

PASSWORD = "the-admin's:password"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401
        return json.loads(self.body)


@dataclass
class Falconerid:
    process: subprocess.Popen[bytes]
    port: int
    wait_port: int
    database_url: str
    log: Path

    def events(self, name: str) -> list[dict[str, Any]]:
        """The lines that it has logged of this."""
        return events(self.log, name)

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        password: str | None = PASSWORD,
        headers: Mapping[str, str] | None = None,
        waiting: bool = False,
    ) -> Answer:
        """Send one request. A body of bytes goes as it is, anything else as JSON."""
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.wait_port if waiting else self.port, timeout=60
        )
        sent: dict[str, str] = {}
        if password is not None:
            sent["Authorization"] = basic(password)
        if body is not None:
            sent["Content-Type"] = "application/json"
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        try:
            connection.request(method, path, body=data, headers=sent | dict(headers or {}))
            response = connection.getresponse()
            return Answer(
                response.status,
                {name.lower(): value for name, value in response.getheaders()},
                response.read(),
            )
        finally:
            connection.close()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)


def basic(password: str, user: str = "falconeri") -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@contextmanager
def running(
    database_url: str, state: Path, *options: str, **settings: str
) -> Generator[Falconerid]:
    """`falconerid serve` on free ports, ready. Settings are further variables.

    It is not the owner of its database, which `database_url` is.
    """
    log = state / f"falconerid-{uuid.uuid4().hex}.log"
    port, wait_port = free_ports()
    environment = os.environ | {
        "FALCONERI_DATABASE_URL": as_server(database_url),
        "FALCONERI_PASSWORD": PASSWORD,
        "FALCONERI_LISTEN_HOST": "127.0.0.1",
        "FALCONERI_PORT": str(port),
        "FALCONERI_WAIT_PORT": str(wait_port),
        "FALCONERI_STATE": str(state),
        **settings,
    }
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [sys.executable, "-m", "falconeri.daemon", "serve", *options],
            env=environment,
            stderr=output,
        ) as process,
    ):
        try:
            wait_until(lambda: process.poll() is not None or events(log, "serve_ready"))
            assert process.poll() is None, log.read_text()
            yield Falconerid(process, port, wait_port, database_url, log)
        finally:
            process.terminate()


def events(log: Path, name: str) -> list[dict[str, Any]]:
    """The lines of a log that tell of this."""
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == name]
