"""What an endpoint says of itself: who may call it, what goes in, what comes out.

A responder carries an `Operation`. Both servers check its access before the responder runs, and the
OpenAPI document is generated from the same objects, so neither can be forgotten for a new endpoint.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar

from falconeri.errors import FalconeriError

Responder = TypeVar("Responder", bound=Callable[..., Any])

_ATTRIBUTE = "falconeri_operation"


class Access(Enum):
    """Who may call."""

    PUBLIC = "anybody"
    READ = "the admin, and who has the read-only password"
    OPERATE = "the admin"
    WORK = "the workers of the job, and the admin"
    JOB = "the workers of the job, the admin, and who has the read-only password"


@dataclass(frozen=True)
class Query:
    """A parameter of the query string, or a header."""

    name: str
    type: Any
    text: str
    required: bool = False


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    access: Access
    body: Any = None
    """The type of the request's body; None: it isn't read."""
    optional_body: bool = False
    """The body may be left out."""
    answers: Any = None
    """The type of the answer; None: there is none (204)."""
    media_type: str = "application/json"
    """Of the answer."""
    query: tuple[Query, ...] = ()
    headers: tuple[Query, ...] = ()
    errors: tuple[type[FalconeriError], ...] = field(default=())
    """What it may refuse with, beside what every endpoint may."""
    waiting: bool = False
    """It is on the waiting port."""
    reads_lists: bool = False
    """It may take long and nobody's work depends on it: few are served at once."""


def operation(
    access: Access,
    *errors: type[FalconeriError],
    body: Any = None,  # noqa: ANN401 - a type, or a union of types
    optional_body: bool = False,
    answers: Any = None,  # noqa: ANN401
    media_type: str = "application/json",
    query: tuple[Query, ...] = (),
    headers: tuple[Query, ...] = (),
    waiting: bool = False,
    reads_lists: bool = False,
) -> Callable[[Responder], Responder]:
    """Declare what a responder is; see `Operation`."""
    declared = Operation(
        access=access,
        body=body,
        optional_body=optional_body,
        answers=answers,
        media_type=media_type,
        query=query,
        headers=headers,
        errors=errors,
        waiting=waiting,
        reads_lists=reads_lists,
    )

    def declare(responder: Responder) -> Responder:
        setattr(responder, _ATTRIBUTE, declared)
        return responder

    return declare


def operation_of(resource: object, method: str) -> Operation | None:
    """What a resource says of a method; None if it has no such method.

    Raises:
        AttributeError: The responder declares nothing: a defect that must not open a door.
    """
    name = "get" if method == "HEAD" else method.lower()
    responder = getattr(resource, f"on_{name}", None)
    if responder is None:
        return None
    declared: Operation = getattr(responder, _ATTRIBUTE)
    return declared
