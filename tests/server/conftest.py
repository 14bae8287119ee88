from __future__ import annotations

import uuid
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from tests.databases import fresh_database
from tests.server.falconerid import Falconerid, running

MakeJob = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def falconerid(tmp_path_factory: pytest.TempPathFactory) -> Generator[Falconerid]:
    """One server for all tests that leave it as it was; each makes jobs of its own."""
    with fresh_database() as url, running(url, tmp_path_factory.mktemp("state")) as server:
        yield server


@pytest.fixture(scope="session")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Generator[Falconerid]:
    """A falconerid that gives a request one second, and its client as long to take the answer."""
    state = tmp_path_factory.mktemp("state")
    with fresh_database() as url, running(url, state, FALCONERI_REQUEST_TIMEOUT="1s") as server:
        yield server


@pytest.fixture
def make_job(falconerid: Falconerid, tmp_path: Path) -> MakeJob:
    """Submit a job of N datums, and answer it as JSON."""

    def make(datums: int = 1, **fields: object) -> dict[str, Any]:
        answer = falconerid.call("POST", "/jobs", {"job": spec(tmp_path, datums) | fields})
        assert answer.status == 200, answer.body
        job: dict[str, Any] = answer.json["job"]
        return job

    return make


def spec(directory: Path, datums: int) -> dict[str, Any]:
    inputs = directory / f"in-{uuid.uuid4().hex}"
    inputs.mkdir()
    for number in range(datums):
        (inputs / f"{number:04}.txt").write_text(str(number))
    # As the original's command line sends it: nulls and defaults explicit.
    return {
        "pipeline": {"name": "book_words"},
        "transform": {
            "cmd": ["python3", "/x.py"],
            "image": "r/i",
            "image_pull_policy": None,
            "env": {},
            "secrets": [],
            "service_account": None,
        },
        "parallelism_spec": {"constant": 10},
        "resource_requests": {"memory": "500Mi", "cpu": 1.2},
        "datum_tries": 3,
        "job_timeout": "1h 30m",
        "node_selector": {},
        "input": {"atom": {"URI": f"file://{inputs}/", "repo": "books", "glob": "/*"}},
        "egress": {"URI": f"file://{directory}/out/"},
    }
