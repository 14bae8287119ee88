"""The calls of the original's worker, as it makes them."""

from __future__ import annotations

from typing import Any

from tests.server.falconerid import Answer, Falconerid

POD = {"node_name": "node-1", "pod_name": "pod-a"}


def reserve(falconerid: Falconerid, job_id: str, **who: str) -> Answer:
    return falconerid.call("POST", f"/jobs/{job_id}/reserve_next_datum", POD | who)


def reserved(falconerid: Falconerid, job_id: str) -> dict[str, Any]:
    """A datum that pod-a holds."""
    answer = reserve(falconerid, job_id)
    assert answer.status == 200, answer.body
    datum: dict[str, Any] = answer.json["datum"]
    return datum


def done(output: str = "text") -> dict[str, Any]:
    return {"status": "done", "output": output, "error_message": None, "backtrace": None}


def failed(message: str = "it failed") -> dict[str, Any]:
    return {"status": "error", "output": "text", "error_message": message, "backtrace": "main"}


def update(
    falconerid: Falconerid, datum_id: str, patch: dict[str, Any], pod: str = "pod-a"
) -> Answer:
    body = {"pod_name": pod, "datum": patch}
    return falconerid.call("PATCH", f"/datums/{datum_id}", body)


def register(falconerid: Falconerid, datum_id: str, *uris: str, pod: str = "pod-a") -> Answer:
    body = {"pod_name": pod, "output_files": [{"uri": uri} for uri in uris]}
    return falconerid.call("POST", f"/datums/{datum_id}/output_files", body)


def settle(
    falconerid: Falconerid, datum_id: str, *files: tuple[str, str], pod: str = "pod-a"
) -> Answer:
    updates = [{"id": id_, "status": status} for id_, status in files]
    body = {"pod_name": pod, "output_files": updates}
    return falconerid.call("PATCH", f"/datums/{datum_id}/output_files", body)
