"""The endpoints of falconeri 2.0.0-alpha.5, which its command line and its workers call.

A test says by `covers` which of them it is about; `test_rows` finds one that nobody tests.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

Test = TypeVar("Test", bound=Callable[..., Any])


class Row(NamedTuple):
    method: str
    path: str
    public: bool = False


VERSION = Row("GET", "/version", public=True)
OPENAPI = Row("GET", "/api-docs/openapi.json", public=True)
CREATE = Row("POST", "/jobs")
FIND = Row("GET", "/jobs")
LIST = Row("GET", "/jobs/list")
GET = Row("GET", "/jobs/{job_id}")
DESCRIBE = Row("GET", "/jobs/{job_id}/describe")
RETRY = Row("POST", "/jobs/{job_id}/retry")
RESERVE = Row("POST", "/jobs/{job_id}/reserve_next_datum")
UPDATE = Row("PATCH", "/datums/{datum_id}")
DESCRIBE_DATUM = Row("GET", "/datums/{datum_id}/describe")
CREATE_OUTPUTS = Row("POST", "/datums/{datum_id}/output_files")
UPDATE_OUTPUTS = Row("PATCH", "/datums/{datum_id}/output_files")

ROWS = (
    *(VERSION, OPENAPI, CREATE, FIND, LIST, GET, DESCRIBE, RETRY, RESERVE),
    *(UPDATE, DESCRIBE_DATUM, CREATE_OUTPUTS, UPDATE_OUTPUTS),
)

COVERED: defaultdict[Row, set[str]] = defaultdict(set)
"""The names of the tests of each row."""


def covers(*rows: Row) -> Callable[[Test], Test]:
    """Note which rows a test is about."""

    def note(test: Test) -> Test:
        for row in rows:
            COVERED[row].add(test.__name__)
        return test

    return note
