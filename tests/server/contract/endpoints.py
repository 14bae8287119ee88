"""Every method of every path of both ports, as the servers declare them: none can be forgotten."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import Any

import msgspec

from falconeri.server.app import ROUTES
from falconeri.server.examples import EXAMPLES
from falconeri.server.openapi import METHODS
from falconeri.server.operation import Operation, operation_of
from falconeri.server.waiting import ROUTES as WAITING_ROUTES


@dataclass(frozen=True)
class Endpoint:
    method: str
    path: str
    declared: Operation

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def nobody(self) -> str:
        """Its path with ids that nothing has."""
        return re.sub(r"{\w+}", str(uuid.uuid4()), self.path)

    @property
    def example(self) -> bytes | None:
        """A body that it takes."""
        body: Any = self.declared.body
        return None if body is None else msgspec.json.encode(EXAMPLES[body])


ENDPOINTS = [
    Endpoint(method, path, declared)
    for path, resource in (*ROUTES, *WAITING_ROUTES)
    for method in METHODS
    if (declared := operation_of(resource, method))
]
PATHS = {endpoint.path: endpoint.declared.waiting for endpoint in ENDPOINTS}
"""Each path, and whether it is on the waiting port."""
