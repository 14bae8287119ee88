"""The OpenAPI document against the routes that it describes, and its page."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from falconeri.server.app import ROUTES
from falconeri.server.examples import EXAMPLES
from falconeri.server.openapi import METHODS, document
from falconeri.server.operation import operation_of
from falconeri.server.waiting import ROUTES as WAITING_ROUTES
from tests.server.falconerid import Falconerid

ALL = (*ROUTES, *WAITING_ROUTES)


def test_every_responder_is_described() -> None:
    described = document(ALL)["paths"]

    for path, resource in ALL:
        responders = {name[3:] for name in dir(resource) if re.fullmatch("on_[a-z]+", name)}
        assert set(described[path]) == responders, path


def test_every_type_of_a_body_or_an_answer_has_an_example() -> None:
    used: set[Any] = set()
    for _, resource in ALL:
        for method in METHODS:
            if operation := operation_of(resource, method):
                used |= {operation.body, operation.answers} - {None, dict[str, Any]}

    assert used == set(EXAMPLES)


@pytest.mark.parametrize("type_", EXAMPLES, ids=str)
def test_example_is_read_back_as_what_it_is(type_: Any) -> None:  # noqa: ANN401 - any type
    example = EXAMPLES[type_]
    kind: Any = example.__class__

    assert msgspec.json.decode(msgspec.json.encode(example), type=kind) == example


def test_every_reference_has_its_schema() -> None:
    described = document(ALL)
    text = msgspec.json.encode(described).decode()

    names = set(re.findall(r'"#/components/schemas/(\w+)"', text))

    assert names <= set(described["components"]["schemas"])
    assert "PipelineSpec" in names


def test_document_and_page_are_public(falconerid: Falconerid) -> None:
    answer = falconerid.call("GET", "/api-docs/openapi.json", password=None)
    page = falconerid.call("GET", "/api-docs", password=None)

    assert answer.json["openapi"] == "3.1.0"
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    for path, _ in ALL:
        assert path in page.body.decode()
