"""Who calls: the admin (CLI, other programs), a reader, or the workers of one job.

Both servers use it. What each may call is said at each endpoint (`falconeri.server.operation`).
"""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from uuid import UUID

from falconeri.errors import BadRequest, Forbidden, Unauthorized
from falconeri.server.operation import Access
from falconeri.tokens import job_of_token

USER = "falconeri"

KNOWN = 1000
"""So many headers with good credentials are remembered, as many as jobs run at once."""


class Role(Enum):
    """What the credentials are."""

    ADMIN = "admin"
    READER = "reader"
    WORKER = "worker"


_MAY = {
    Role.ADMIN: set(Access),
    Role.READER: {Access.PUBLIC, Access.READ, Access.JOB},
    Role.WORKER: {Access.PUBLIC, Access.WORK, Access.JOB},
}


@dataclass(frozen=True)
class Caller:
    """Who sent a request; `job_id` is the job of a worker's token, else None."""

    role: Role = Role.ADMIN
    job_id: UUID | None = None

    def require(self, access: Access) -> None:
        """Refuse what the role may not call.

        Raises:
            Forbidden: Right credentials for something else.
        """
        if access not in _MAY[self.role]:
            raise Forbidden(f"a {self.role.value} can't do this", hint=f"only {access.value} can")

    def require_job(self, job_id: UUID) -> None:
        """Refuse the workers of other jobs.

        Raises:
            Forbidden: The token is for another job.
        """
        if self.job_id not in (None, job_id):
            raise Forbidden("a worker's token is for another job", detail=f"job_id {job_id}")


class Authenticator:
    """Checks HTTP Basic credentials: user `falconeri` with a password or a worker's token.

    Args:
        password: The admin's; worker tokens are made of it.
        read_password: Of who may look but not touch; None: there is nobody.
    """

    def __init__(self, password: str, read_password: str | None = None) -> None:
        self._password = password
        self._read_password = read_password
        # A worker sends the same header with each request; to check it costs a tenth of the CPU
        # time of one. Only good ones are kept: what is refused raises.
        self._known = lru_cache(maxsize=KNOWN)(self._check)

    def caller(self, header: str | None) -> Caller:
        """Read an Authorization header.

        Raises:
            Unauthorized: None, none that could be one, or wrong credentials.
            BadRequest: Not Basic, or not readable.
        """
        if header is None or not header.isascii() or not header.isprintable():
            raise Unauthorized("missing auth")
        return self._known(header)

    def _check(self, header: str) -> Caller:
        user, password = _basic(header)
        # The original's clients send the file's bytes as they are, ours without the newline.
        given = password.removesuffix("\n")
        if _same(user, USER):
            if _same(given, self._password.removesuffix("\n")):
                return Caller()
            if self._read_password and _same(given, self._read_password.removesuffix("\n")):
                return Caller(Role.READER)
            if job_id := job_of_token(self._password, given):
                return Caller(Role.WORKER, job_id)
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
