"""schemathesis: requests made of the OpenAPI document, valid ones and others, to both ports.

Seeded: each run sends the same requests. `FALCONERI_TEST_EXAMPLES=500` sends more of them.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any, cast

import hypothesis
import pytest
import requests
import schemathesis
from schemathesis.specs.openapi import checks

from falconeri.server.app import ROUTES
from falconeri.server.examples import EXAMPLES
from falconeri.server.openapi import document
from falconeri.server.waiting import ROUTES as WAITING_ROUTES
from falconeri.wire.work import MAX_HOLD_S, WorkerIdentity
from tests.server.conftest import MakeJob
from tests.server.contract.endpoints import ENDPOINTS
from tests.server.falconerid import PASSWORD, Falconerid, basic

DOCUMENT = document((*ROUTES, *WAITING_ROUTES))
DECLARED = {str(endpoint): endpoint.declared for endpoint in ENDPOINTS}

# Its types are unknown to a strict checker.
schema: Any = schemathesis.openapi.from_dict(DOCUMENT)
Case = Any

# Rules go beyond a schema: a done datum has no error message, a spec's files must be there.
UNSUITABLE: list[Any] = [
    checks.positive_data_acceptance,  # pyright: ignore[reportUnknownMemberType]
]
# The schema of a stream is that of its events' data, not of the events.
UNSUITABLE_FOR_STREAMS: list[Any] = [
    checks.response_schema_conformance,  # pyright: ignore[reportUnknownMemberType]
]

# A wrong id has become that of something: nothing wrong may be left.
UNSUITABLE_IF_RIGHTED: list[Any] = [
    checks.negative_data_rejection,  # pyright: ignore[reportUnknownMemberType]
]


@pytest.fixture
def session() -> Generator[requests.Session]:
    with requests.Session() as session:
        session.headers["Authorization"] = basic(PASSWORD)
        yield session


@pytest.fixture
def ids(falconerid: Falconerid, make_job: MakeJob) -> dict[str, str]:
    """Of a job, and of a datum that the pod of the examples holds."""
    job_id = make_job(3)["id"]
    example: WorkerIdentity = EXAMPLES[WorkerIdentity]
    who = {"pod_name": example.pod_name, "node_name": example.node_name}
    claimed = falconerid.call("POST", f"/jobs/{job_id}/claim", who)
    return {"job_id": job_id, "datum_id": claimed.json["claim"]["datum_id"]}


@pytest.fixture
def ended(falconerid: Falconerid, make_job: MakeJob) -> dict[str, str]:
    """Of a job of which a stream says at once that it has ended."""
    job_id = make_job()["id"]
    assert falconerid.call("POST", f"/jobs/{job_id}/cancel").status == 200
    return {"job_id": job_id}


def test_document_is_what_the_server_serves(falconerid: Falconerid) -> None:
    assert falconerid.call("GET", "/api-docs/openapi.json").json == DOCUMENT


@schema.parametrize()
@hypothesis.settings(
    max_examples=int(os.environ.get("FALCONERI_TEST_EXAMPLES", "8")),
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[
        hypothesis.HealthCheck.function_scoped_fixture,  # ids may stay the same
        hypothesis.HealthCheck.filter_too_much,
        hypothesis.HealthCheck.too_slow,
    ],
)
def test_server_keeps_to_its_document(
    case: Case,
    falconerid: Falconerid,
    ids: dict[str, str],
    ended: dict[str, str],
    session: requests.Session,
) -> None:
    declared = DECLARED[case.operation.label]
    waiting = declared.waiting
    port = falconerid.wait_port if waiting else falconerid.port
    streams = "stream" in declared.media_type
    wrong = case.meta.is_negative_at("path")
    righted = meet_something(case, ended if streams else ids) and wrong
    # The session sends it anyway; but what is wrong with a case is judged by the case alone.
    case.headers["Authorization"] = basic(PASSWORD)
    if waiting:
        hold_nobody(case)

    answer = case.call(base_url=f"http://127.0.0.1:{port}", session=session)

    excluded = [
        *UNSUITABLE,
        *(UNSUITABLE_FOR_STREAMS if streams else ()),
        *(UNSUITABLE_IF_RIGHTED if righted else ()),
    ]
    case.validate_response(answer, excluded_checks=excluded)


def meet_something(case: Case, ids: dict[str, str]) -> bool:
    """Let ids that nothing has be those of something; return whether there were any."""
    found = [
        name
        for name, value in ids.items()
        if len(str(case.path_parameters.get(name, ""))) == len(value)
    ]
    case.path_parameters.update({name: ids[name] for name in found})
    return bool(found)


def hold_nobody(case: Case) -> None:
    """Let a wait that would be granted be over at once."""
    for place in (case.body, case.query):
        if isinstance(place, dict):
            fields = cast("dict[str, Any]", place)
            if is_a_wait(fields.get("hold_s", 25)):
                fields["hold_s"] = 0


def is_a_wait(value: object) -> bool:
    """Whether the server would hold a request so long."""
    try:
        return 0 <= float(str(value)) <= MAX_HOLD_S
    except ValueError:
        return False
