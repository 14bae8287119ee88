"""Requests for a new job that may be repeated: those with an `Idempotency-Key`.

The same key for the same request answers the job that was made before; which requests have been
answered, the database knows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import falcon
from msgspec import Meta

from falconeri.db import requests as db_requests
from falconeri.errors import InvalidArgument
from falconeri.server.operation import Query
from falconeri.wire import codec

if TYPE_CHECKING:
    from psycopg import Connection

MAX_KEY = 255

IDEMPOTENCY_KEY = Query(
    "Idempotency-Key",
    Annotated[str, Meta(min_length=1, max_length=MAX_KEY)],
    "The same key for the same request answers the job that was made before.",
)


@dataclass(frozen=True)
class Request:
    """A key of the caller's, and a digest of what was asked for with it."""

    key: str
    digest: str

    def answered(self, conn: Connection) -> UUID | None:
        """The job that was made of it before, if any.

        Raises:
            RequestKeyReused: The key was used for something else.
        """
        return db_requests.find_request(conn, request_key=self.key, digest=self.digest)

    def answer(self, conn: Connection, make: Callable[[], UUID]) -> UUID:
        """Make the job, within the caller's transaction, unless it has been made before.

        Raises:
            RequestKeyReused: The key was used for something else.
        """
        known = db_requests.begin_request(conn, request_key=self.key, digest=self.digest)
        if known is not None:
            return known
        job_id = make()
        db_requests.end_request(conn, request_key=self.key, job_id=job_id)
        return job_id


def request_of(req: falcon.Request, body: object) -> Request | None:
    """The request, if its caller may repeat it.

    Args:
        body: What was asked for, as one of our types: how its JSON was written doesn't matter.

    Raises:
        InvalidArgument: A key that is empty or too long.
    """
    key = req.get_header(IDEMPOTENCY_KEY.name)
    if key is None:
        return None
    if not 0 < len(key) <= MAX_KEY:
        raise InvalidArgument(detail=f"{IDEMPOTENCY_KEY.name} has not 1 to {MAX_KEY} characters")
    asked = b"\0".join((req.method.encode(), req.path.encode(), codec.encode(body)))
    return Request(key, hashlib.sha256(asked).hexdigest())
