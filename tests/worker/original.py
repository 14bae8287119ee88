"""The falconerid of falconeri 2.0.0-alpha.5, in memory, over real HTTP, as far as workers see it.

One job. It has the original's endpoints and no others, its order of checks, its codes and texts,
its limit of 2 MiB, and its rules for datums and output files; nothing of ours.
"""

from __future__ import annotations

import base64
import json
import threading
import uuid
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.client.server import Reply, Seen, Server

TOKEN = "the-job's-token"
MAX_BODY_BYTES = 2_097_152
_STAMP = "2026-01-15T10:00:00.123456"
_CREDENTIALS = "Basic " + base64.b64encode(f"falconeri:{TOKEN}".encode()).decode()


class Refused(Exception):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.reply = Reply(status, text.encode(), {"Content-Type": "text/plain; charset=utf-8"})


@dataclass
class Datum:
    inputs: list[tuple[str, str]]
    maximum: int
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = "ready"
    attempted: int = 0
    pod_name: str | None = None
    node_name: str | None = None
    output: str | None = None
    error_message: str | None = None
    backtrace: str | None = None
    outputs: list[dict[str, str]] = field(default_factory=list[dict[str, str]])

    def json(self, job_id: str) -> dict[str, Any]:
        return {
            "id": self.id,
            "created_at": _STAMP,
            "updated_at": _STAMP,
            "status": self.status,
            "job_id": job_id,
            "error_message": self.error_message,
            "node_name": self.node_name,
            "pod_name": self.pod_name,
            "backtrace": self.backtrace,
            "output": self.output,
            "attempted_run_count": self.attempted,
            "maximum_allowed_run_count": self.maximum,
        }


class Original:
    """A test may read and change its attributes at any time, and add `instead` of answers."""

    def __init__(self, command: Sequence[str], egress_uri: str, tries: int) -> None:
        self.job_id = str(uuid.uuid4())
        self.status = "running"
        self.datums: list[Datum] = []
        self.calls: list[str] = []
        self.bodies: list[int] = []
        self.after: list[tuple[str, Reply | None]] = []
        """Answers lost: what is sent instead, once the call has been acted upon."""
        self.before: list[tuple[str, Reply]] = []
        """Answers that come instead of acting."""
        self._command = list(command)
        self._egress_uri = egress_uri
        self._tries = tries
        self._lock = threading.Lock()
        self._server = Server(self._answer)
        self.url = self._server.url

    def add(self, *inputs: tuple[str, str]) -> Datum:
        datum = Datum(list(inputs), self._tries)
        with self._lock:
            self.datums.append(datum)
        return datum

    def close(self) -> None:
        self._server.close()

    def _answer(self, seen: Seen) -> Reply | None:
        call = f"{seen.method} {seen.path}"
        with self._lock:
            self.calls.append(call)
            self.bodies.append(len(seen.body))
            if reply := _take(self.before, call):
                return reply[0]
            try:
                answer = self._act(seen)
            except Refused as refused:
                return refused.reply
            if lost := _take(self.after, call):
                return lost[0]
        if answer is None:
            return Reply(204)
        return Reply(200, json.dumps(answer[0]).encode(), {"Content-Type": "application/json"})

    def _act(self, seen: Seen) -> tuple[Any] | None:
        kind, identifier, *rest = seen.path.strip("/").split("/")
        acts: dict[str, Callable[[str, Any], tuple[Any] | None]] = {
            "GET jobs": self._job,
            "POST jobs reserve_next_datum": self._reserve,
            "PATCH datums": self._update,
            "GET datums describe": self._describe,
            "POST datums output_files": self._register,
            "PATCH datums output_files": self._settle,
        }
        act = acts.get(" ".join([seen.method, kind, *rest]))
        if act is None:
            raise Refused(404, "")
        if seen.headers.get("Authorization") != _CREDENTIALS:
            raise Refused(401, "invalid credentials")
        if seen.method == "GET":
            return act(identifier, None)
        if seen.headers.get("Content-Type") != "application/json":
            raise Refused(415, "Expected request with `Content-Type: application/json`")
        if len(seen.body) > MAX_BODY_BYTES:
            raise Refused(413, "Failed to buffer the request body: length limit exceeded")
        return act(identifier, json.loads(seen.body))

    def _job(self, job_id: str, _: object) -> tuple[Any]:
        if job_id != self.job_id:
            raise Refused(500, f"could not load job {job_id}")
        job = {
            "id": self.job_id,
            "created_at": _STAMP,
            "updated_at": _STAMP,
            "status": self.status,
            "pipeline_spec": {"pipeline": {"name": "j"}},
            "job_name": "j-0123456789",
            "command": self._command,
            "egress_uri": self._egress_uri,
        }
        return ({"job": job},)

    def _reserve(self, job_id: str, body: dict[str, str]) -> tuple[Any]:
        self._job(job_id, None)  # its status is not looked at
        pod, node = body["pod_name"], body["node_name"]
        held = (each for each in self.datums if (each.status, each.pod_name) == ("running", pod))
        datum = next(held, None)
        if datum is None:
            datum = next((each for each in self.datums if each.status == "ready"), None)
            if datum is None:
                return (None,)
            datum.status, datum.pod_name, datum.node_name = "running", pod, node
            datum.attempted += 1
        return (self._described(datum),)

    def _describe(self, datum_id: str, _: object) -> tuple[Any]:
        return (self._described(self._datum(datum_id)),)

    def _described(self, datum: Datum) -> dict[str, Any]:
        files = [
            {
                "id": str(uuid.uuid4()),
                "created_at": _STAMP,
                "datum_id": datum.id,
                "uri": uri,
                "local_path": path,
                "job_id": self.job_id,
            }
            for uri, path in datum.inputs
        ]
        return {"datum": datum.json(self.job_id), "input_files": files}

    def _update(self, datum_id: str, body: dict[str, Any]) -> tuple[Any]:
        datum = self._held(datum_id, body["pod_name"])
        patch = body["datum"]
        if not isinstance(patch["output"], str):
            raise Refused(422, "Failed to deserialize the JSON body into the target type: output")
        if "\0" in str(patch):
            raise Refused(500, "error updating datum")
        messages = patch.get("error_message"), patch.get("backtrace")
        if patch["status"] == "done" and messages == (None, None):
            datum.status, datum.output = "done", patch["output"]
        elif patch["status"] == "error" and None not in messages:
            datum.error_message, datum.backtrace = messages
            datum.status, datum.output = "error", patch["output"]
        else:
            raise Refused(500, "cannot update datum with DatumPatch {...}")
        if all(each.status in {"done", "error"} for each in self.datums):
            if all(each.status == "done" for each in self.datums):
                self.status = "done"
            elif all(e.status == "done" or e.attempted >= e.maximum for e in self.datums):
                self.status = "error"
        return ({"datum": datum.json(self.job_id)},)

    def _register(self, datum_id: str, body: dict[str, Any]) -> tuple[Any]:
        datum = self._held(datum_id, body["pod_name"])
        uris = [output["uri"] for output in body["output_files"]]
        if datum.outputs:
            if {output["uri"] for output in datum.outputs} != set(uris):
                raise Refused(403, f"datum {datum_id} output files mismatch: only in existing []")
            return ({"output_files": datum.outputs},)
        others = {output["uri"] for each in self.datums for output in each.outputs}
        if len(set(uris)) < len(uris) or not others.isdisjoint(uris):
            raise Refused(500, "error inserting datums")
        datum.outputs = [
            {
                "id": str(uuid.uuid4()),
                "created_at": _STAMP,
                "updated_at": _STAMP,
                "status": "running",
                "job_id": self.job_id,
                "datum_id": datum_id,
                "uri": uri,
            }
            for uri in uris
        ]
        return ({"output_files": datum.outputs},)

    def _settle(self, datum_id: str, body: dict[str, Any]) -> None:
        for update in body["output_files"]:
            if update["status"] not in {"done", "error"}:
                raise Refused(500, "cannot patch output file with OutputFilePatch {...}")
        datum = self._held(datum_id, body["pod_name"])
        for update in body["output_files"]:
            for output in datum.outputs:
                if output["id"] == update["id"]:
                    output["status"] = update["status"]

    def _datum(self, datum_id: str) -> Datum:
        found = [each for each in self.datums if each.id == datum_id]
        if not found:
            raise Refused(500, f"could not load datum {datum_id}")
        return found[0]

    def _held(self, datum_id: str, pod: str) -> Datum:
        found = [each for each in self.datums if each.id == datum_id]
        if not found:
            raise Refused(403, f"datum {datum_id} not found")
        [datum] = found
        if datum.pod_name != pod:
            owner = "None" if datum.pod_name is None else f'Some("{datum.pod_name}")'
            raise Refused(403, f"datum {datum_id} is owned by {owner}, not {pod}")
        if datum.status != "running":
            status = datum.status.capitalize()
            raise Refused(403, f"datum {datum_id} has status {status}, expected Running")
        return datum


def _take(replies: list[Any], call: str) -> tuple[Reply | None] | None:
    for number, (end, reply) in enumerate(replies):
        if call.endswith(end):
            del replies[number]
            return (reply,)
    return None


@contextmanager
def original(command: Sequence[str], egress_uri: str, *, tries: int = 1) -> Generator[Original]:
    server = Original(command, egress_uri, tries)
    try:
        yield server
    finally:
        server.close()
