"""Who calls: the admin (CLI, other programs), or the workers of one job.

Both servers use it. What a worker may call is said at each resource, by `allow`.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass
from uuid import UUID

from falconeri.errors import BadRequest, Forbidden, Unauthorized
from falconeri.tokens import job_of_token

USER = "falconeri"


@dataclass(frozen=True)
class Caller:
    """Who sent a request; `job_id` is None for the admin, else the job of the worker's token."""

    job_id: UUID | None = None

    def require_admin(self) -> None:
        """Refuse workers.

        Raises:
            Forbidden: A worker's token reaches its own job's worker calls only.
        """
        if self.job_id is not None:
            raise Forbidden("a worker's token can't do this")

    def require_job(self, job_id: UUID) -> None:
        """Refuse the workers of other jobs.

        Raises:
            Forbidden: The token is for another job.
        """
        if self.job_id not in (None, job_id):
            raise Forbidden("a worker's token is for another job", detail=f"job_id {job_id}")


class Authenticator:
    """Checks HTTP Basic credentials: user `falconeri` with the password or a worker's token."""

    def __init__(self, password: str) -> None:
        self._password = password

    def caller(self, header: str | None) -> Caller:
        """Read an Authorization header.

        Raises:
            Unauthorized: None, or wrong credentials.
            BadRequest: Not Basic, or not readable.
        """
        if header is None:
            raise Unauthorized("missing auth")
        user, password = _basic(header)
        if _same(user, USER):
            # The original's clients send the file's bytes as they are, ours without the newline.
            if _same(password.removesuffix("\n"), self._password.removesuffix("\n")):
                return Caller()
            if job_id := job_of_token(self._password, password.removesuffix("\n")):
                return Caller(job_id)
        raise Unauthorized("invalid credentials")


def _basic(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    try:
        user, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        colon = user = password = ""
    if scheme != "Basic" or not colon:
        raise BadRequest("invalid auth header")
    return user, password


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())
