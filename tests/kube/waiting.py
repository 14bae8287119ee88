"""What the tests of and with the fake use: clients, objects to begin with, waiting."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self, TypeVar, cast

from kubernetes import client

from tests.kube.objects import Json

T = TypeVar("T")

_PATIENCE_S = 30.0


def eventually(look: Callable[[], T], *, what: str) -> T:
    """Look again and again until something true is seen, and return it."""
    deadline = time.monotonic() + _PATIENCE_S
    pause = threading.Event()
    while not (seen := look()):
        assert time.monotonic() < deadline, f"never saw {what}"
        pause.wait(0.02)
    return seen


@dataclass
class Apis:
    """The official client's parts. Untyped: its types say what it returns only roughly."""

    batch: Any
    core: Any
    apps: Any
    rbac: Any

    @classmethod
    def of(cls, api: client.ApiClient) -> Self:
        return cls(
            client.BatchV1Api(api),
            client.CoreV1Api(api),
            client.AppsV1Api(api),
            client.RbacAuthorizationV1Api(api),
        )


def post(api: Any, path: str, body: object) -> tuple[int, str]:  # noqa: ANN401 - a client
    """Send what the client's own types would not let through; return the answer's code and text."""
    config = api.api_client.configuration
    headers = {
        "Content-Type": "application/json",
        "Authorization": config.api_key["BearerToken"],
    }
    answer: Any = api.api_client.call_api("POST", f"{config.host}{path}", headers, body)
    return int(answer.status), answer.read().decode()


def make_job(
    name: str = "words", script: str = "exit 0", *, parallelism: int = 1, **spec: object
) -> Json:
    """A Job whose pods run a shell script."""
    container = {"name": "worker", "image": "busybox", "command": ["sh", "-c", script]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {
            "parallelism": parallelism,
            "template": {"spec": {"restartPolicy": "Never", "containers": [container]}},
            **spec,
        },
    }


def refusal(call: Callable[[], object]) -> tuple[int, str]:
    """The code and the text that a call is refused with."""
    try:
        call()
    except client.ApiException as ex:
        error: Any = cast("Any", ex)
        return error.status, error.body
    raise AssertionError("it was not refused")
