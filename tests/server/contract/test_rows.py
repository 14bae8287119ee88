"""No endpoint of the original is missing, and none is without tests."""

from __future__ import annotations

import importlib
import pkgutil

from falconeri.server.operation import Access
from tests.server import contract
from tests.server.contract.endpoints import ENDPOINTS
from tests.server.contract.rows import COVERED, ROWS

REST = {(e.method, e.path): e for e in ENDPOINTS if not e.declared.waiting}


def test_rest_port_has_every_endpoint_of_the_original() -> None:
    assert {(row.method, row.path) for row in ROWS} <= set(REST)


def test_the_same_endpoints_are_public() -> None:
    public = {row for row in ROWS if REST[row.method, row.path].declared.access is Access.PUBLIC}

    assert public == {row for row in ROWS if row.public}


def test_every_endpoint_of_the_original_has_tests() -> None:
    for module in pkgutil.iter_modules(contract.__path__, f"{contract.__name__}."):
        importlib.import_module(module.name)

    assert set(COVERED) == set(ROWS)
