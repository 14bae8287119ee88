"""What the API server says no with, as errors of ours that say what to do.

    NotFound         404
    Conflict         409         somebody has changed it meanwhile
    └ AlreadyExists  409         there is another object of this name
    Unacceptable     400, 422    what was sent can't be
    Forbidden        401, 403
    Expired          410         what a watch would go on from is forgotten
    Unavailable      any other, and no answer at all

Raised by `api` and `watching`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from falconeri.errors import (
    Conflict,
    FalconeriError,
    Forbidden,
    InvalidArgument,
    NotFound,
    Unavailable,
)
from falconeri.kube.objects import Object


class Expired(FalconeriError):
    """410: the past that was asked for is forgotten; list again."""


class AlreadyExists(Conflict):
    """There is another object of this name."""


class Unacceptable(InvalidArgument):
    """The object is none that this cluster takes; the same one never will be."""


_CLASSES: Mapping[int, tuple[type[FalconeriError], str, str]] = {
    400: (Unacceptable, "the cluster does not accept it", ""),
    401: (Forbidden, "the cluster does not know us", "are the credentials those of this cluster?"),
    403: (
        Forbidden,
        "the cluster does not allow it",
        "ask who runs the cluster, or choose another context or namespace",
    ),
    404: (NotFound, "not found", ""),
    409: (Conflict, "the cluster has another opinion", ""),
    410: (Expired, "what was asked for is forgotten", ""),
    422: (Unacceptable, "the cluster does not accept it", ""),
}
"""The class, its words and what helps."""


def error_of(status: Object, what: str) -> FalconeriError:
    """The error that a `Status` object stands for.

    Args:
        what: What was tried, in words.
    """
    code = status.get("code") or 0
    detail = f"{what}: {status.get('message') or 'no reason given'}"
    if status.get("reason") == "AlreadyExists":
        return AlreadyExists("there is one already", detail=detail)
    if code in _CLASSES:
        class_, words, hint = _CLASSES[code]
        return class_(words, detail=detail, hint=hint)
    return Unavailable("the Kubernetes API failed", detail=f"{detail} (HTTP {code})")


def status_of(code: int, reason: str | None, body: bytes) -> Object:
    """The `Status` object of an answer; one of our making if it has none."""
    try:
        status: Any = json.loads(body)
    except ValueError:
        status = None
    said = cast("Object", status) if isinstance(status, dict) else {"message": reason}
    return {**said, "code": code}


def unreachable(ex: BaseException, url: str) -> Unavailable:
    """No answer, or half of one."""
    return Unavailable(
        "the Kubernetes API can't be reached",
        detail=f"{url}: {_innermost(ex)}",
        hint="does `kubectl get pods` work?",
    )


def _innermost(ex: BaseException) -> str:
    """What was wrong at the bottom: `Connection refused`."""
    reason = getattr(ex, "reason", None)
    while isinstance(reason, BaseException):
        ex, reason = reason, getattr(reason, "reason", None)
    return str(ex).rpartition(">: ")[2] or type(ex).__name__
