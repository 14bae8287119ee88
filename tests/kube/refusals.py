"""What the API server says no with. Raised everywhere below `front`, which answers it."""

from __future__ import annotations

from tests.kube.objects import Json


class Refused(Exception):
    """An answer that is no success: a `Status` object."""

    def __init__(
        self, code: int, reason: str, message: str, *, causes: list[Json] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.causes = causes or []

    def status(self) -> Json:
        """The object that a client gets."""
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "details": {"causes": self.causes},
            "code": self.code,
        }


def not_found(plural: str, name: str) -> Refused:
    return Refused(404, "NotFound", f'{plural} "{name}" not found')


def already_exists(plural: str, name: str) -> Refused:
    return Refused(409, "AlreadyExists", f'{plural} "{name}" already exists')


def conflict(plural: str, name: str) -> Refused:
    return Refused(
        409,
        "Conflict",
        f'Operation cannot be fulfilled on {plural} "{name}": the object has been modified; '
        "please apply your changes to the latest version and try again",
    )


def invalid(kind: str, name: str, field: str, message: str) -> Refused:
    return Refused(
        422,
        "Invalid",
        f'{kind} "{name}" is invalid: {field}: {message}',
        causes=[{"reason": "FieldValueInvalid", "message": message, "field": field}],
    )


def bad_request(message: str) -> Refused:
    return Refused(400, "BadRequest", message)


def expired(message: str) -> Refused:
    return Refused(410, "Expired", message)
