"""A client of server-sent events that sees every byte, and waits for what it expects."""

from __future__ import annotations

import http.client
import json
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.server.falconerid import PASSWORD, Falconerid, basic


@dataclass(frozen=True)
class Event:
    name: str
    data: Any
    id: str | None


class EventStream:
    """An open stream; `retry_ms` and `comments` are those seen so far."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.retry_ms: int | None = None
        self.comments = 0
        self._response = response

    def events(self) -> Iterator[Event]:
        """Yield events until the server ends the stream."""
        fields: dict[str, str] = {}
        for raw in self._response:
            line = raw.decode().rstrip("\n")
            name, _, value = line.partition(": ")
            if line.startswith(":"):
                self.comments += 1
            elif name == "retry":
                self.retry_ms = int(value)
            elif line:
                fields[name] = value
            elif "data" in fields:
                yield Event(fields["event"], json.loads(fields["data"]), fields.get("id"))
                fields = {}

    def until(self, name: str, **expected: object) -> list[Event]:
        """Return the events up to the first of this name with these fields."""
        found: list[Event] = []
        for event in self.events():
            found.append(event)
            if event.name == name and expected.items() <= event.data.items():
                return found
        raise AssertionError(f"the stream ended: {found}")


@contextmanager
def watching(
    falconerid: Falconerid, job_id: str, *, password: str = PASSWORD, **headers: str
) -> Generator[EventStream]:
    connection = http.client.HTTPConnection("127.0.0.1", falconerid.wait_port, timeout=60)
    try:
        connection.request(
            "GET",
            f"/jobs/{job_id}/events",
            headers={"Authorization": basic(password)}
            | {name.replace("_", "-"): value for name, value in headers.items()},
        )
        yield EventStream(connection.getresponse())
    finally:
        connection.close()
