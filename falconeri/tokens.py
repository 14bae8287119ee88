"""Worker tokens: credentials for one job's worker calls, made of the admin password, kept nowhere.

A token is `<job id>.<HMAC of it>`. The babysitter gives it to a job's pods, falconerid checks it;
both know only the password. The user's program, which can read its pod's token, reaches with it
what its own worker reaches and nothing else.
"""

from __future__ import annotations

import hashlib
import hmac
from uuid import UUID

_PURPOSE = b"falconeri worker token\0"


def make_token(password: str, job_id: UUID) -> str:
    """The token of a job's workers."""
    key = password.removesuffix("\n").encode()
    return f"{job_id}.{hmac.new(key, _PURPOSE + job_id.bytes, hashlib.sha256).hexdigest()}"


def job_of_token(password: str, token: str) -> UUID | None:
    """The job that a valid token is for; None for anything else. Takes the same time for both."""
    try:
        job_id = UUID(token.partition(".")[0])
    except ValueError:
        return None
    expected = make_token(password, job_id)
    return job_id if hmac.compare_digest(token.encode(), expected.encode()) else None
