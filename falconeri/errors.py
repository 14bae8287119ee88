"""Everything that can go wrong between our programs, each with its place in SQL and in HTTP.

    FalconeriError              500          a defect of ours: the log has the trace
    ├── NotFound                404
    │   ├── JobNotFound         ZF001
    │   ├── DatumNotFound       ZF002
    │   └── SecretNotFound
    ├── ClaimLost               ZF003  403   this attempt is over, or never was this worker's
    ├── OutputsMismatch         ZF006  403   a repeat of a registration with other files
    ├── Conflict                409
    │   ├── JobNotRunning       ZF004
    │   ├── OutputClash         ZF005        two datums write the same object, of one job or of two
    │   ├── JobNotRetryable     ZF007
    │   ├── OutputBusy          ZF008        the object is being deleted: try again in a moment
    │   └── JobRunning          ZF010        only an ended job can be deleted
    ├── InvalidInput            ZF009  422   the caller's data; `detail` names the field
    │   ├── InvalidSpec
    │   ├── InvalidArgument
    │   ├── RequestKeyReused    ZF012        an Idempotency-Key of another request
    │   └── TooManyDatums       ZF011        more than FALCONERI_MAX_DATUMS
    ├── BadRequest              400          not JSON, not a UUID
    ├── Unauthorized            401
    ├── Forbidden               403
    ├── StorageError            502          a bucket, a key, an endpoint
    │   ├── ObjectNotFound      422          the input isn't there
    │   │   └── DirectoryNotFound            no key begins so; the bucket is there
    │   ├── StorageDenied       422
    │   └── TransferFailed
    ├── TookTooLong             504          the database had its time and did not answer
    └── Unavailable             503          the database or falconerid is away: try again

`falconeri.db` turns an SQLSTATE into one of these, `falconeri.server` turns one of these into a
status and a JSON body, `falconeri.client` turns the body's `code` back into the same class.
"""

from __future__ import annotations

from typing import ClassVar


class FalconeriError(Exception):
    """Base of all. `message` is one line without ids (logs group by it); `detail` names the thing.

    Args:
        message: What happened, in one line; empty for the class's own words.
        detail: Which job, field, object or file.
        hint: What to do about it; empty for the class's own words.
    """

    code: ClassVar[str] = "internal"
    http_status: ClassVar[int] = 500
    sqlstate: ClassVar[str | None] = None
    default_message: ClassVar[str] = "internal error"
    default_hint: ClassVar[str] = ""

    def __init__(self, message: str = "", *, detail: str = "", hint: str = "") -> None:
        self.message = message or self.default_message
        self.detail = detail
        self.hint = hint or self.default_hint
        super().__init__(self.message)

    def __str__(self) -> str:
        text = f"{self.message}: {self.detail}" if self.detail else self.message
        return f"{text} ({self.hint})" if self.hint else text


class NotFound(FalconeriError):
    """Something named by the caller does not exist."""

    code = "not_found"
    http_status = 404
    default_message = "not found"


class JobNotFound(NotFound):
    """ZF001: no job has this id or name."""

    code = "job_not_found"
    sqlstate = "ZF001"
    default_message = "job not found"


class DatumNotFound(NotFound):
    """ZF002: no datum has this id."""

    code = "datum_not_found"
    sqlstate = "ZF002"
    default_message = "datum not found"


class SecretNotFound(NotFound):
    """The spec names a secret that the cluster does not have."""

    code = "secret_not_found"
    http_status = 422
    default_message = "secret not found"


class ClaimLost(FalconeriError):
    """ZF003: the attempt is over, or was never this worker's. The worker drops the datum."""

    code = "claim_lost"
    http_status = 403
    sqlstate = "ZF003"
    default_message = "claim lost"


class OutputsMismatch(FalconeriError):
    """ZF006: this attempt has registered other output files before."""

    code = "outputs_mismatch"
    http_status = 403
    sqlstate = "ZF006"
    default_message = "output files mismatch"


class Conflict(FalconeriError):
    """The request is fine, the state of things is against it."""

    code = "conflict"
    http_status = 409
    default_message = "conflict"


class JobNotRunning(Conflict):
    """ZF004: the job has ended."""

    code = "job_not_running"
    sqlstate = "ZF004"
    default_message = "job is not running"


class OutputClash(Conflict):
    """ZF005: another datum writes the same object, or one of another running job.

    `detail` names the object, both datums and, if it is another, the job.
    """

    code = "output_clash"
    sqlstate = "ZF005"
    default_message = "two datums write the same output"


class JobNotRetryable(Conflict):
    """ZF007: only an ended job with datums that failed or did not run can be retried."""

    code = "job_not_retryable"
    sqlstate = "ZF007"
    default_message = "job cannot be retried"


class OutputBusy(Conflict):
    """ZF008: the object is being deleted for an earlier attempt; the same request works soon."""

    code = "output_busy"
    sqlstate = "ZF008"
    default_message = "output is being cleaned up"


class JobRunning(Conflict):
    """ZF010: only a job that has ended can be deleted."""

    code = "job_running"
    sqlstate = "ZF010"
    default_message = "job is running"


class InvalidInput(FalconeriError):
    """ZF009: the caller's data is of the wrong shape or out of range."""

    code = "invalid_input"
    http_status = 422
    sqlstate = "ZF009"
    default_message = "invalid input"


class RequestKeyReused(InvalidInput):
    """ZF012: an Idempotency-Key belongs to one request; another one needs a key of its own."""

    code = "request_key_reused"
    sqlstate = "ZF012"
    default_message = "the key was used for another request"


class InvalidSpec(InvalidInput):
    """A pipeline spec that can't be run; `detail` begins with the field's path."""

    code = "invalid_spec"
    sqlstate = None
    default_message = "invalid pipeline spec"


class InvalidArgument(InvalidInput):
    """A command-line argument, URL part or query parameter."""

    code = "invalid_argument"
    sqlstate = None
    default_message = "invalid argument"


class TooManyDatums(InvalidInput):
    """ZF011: a job may not have so many datums; `detail` says how so many come together."""

    code = "too_many_datums"
    sqlstate = "ZF011"
    default_message = "too many datums"
    default_hint = "a narrower glob, fewer files, or a higher FALCONERI_MAX_DATUMS of falconerid"


class BadRequest(FalconeriError):
    """Not something we can parse at all."""

    code = "bad_request"
    http_status = 400
    default_message = "bad request"


class Unauthorized(FalconeriError):
    """No credentials, or wrong ones."""

    code = "unauthorized"
    http_status = 401
    default_message = "invalid credentials"


class Forbidden(FalconeriError):
    """Right credentials for something else."""

    code = "forbidden"
    http_status = 403
    default_message = "not allowed"


class StorageError(FalconeriError):
    """A store did not do what we asked; `detail` names bucket, key and endpoint."""

    code = "storage_error"
    http_status = 502
    default_message = "storage error"


class ObjectNotFound(StorageError):
    """The bucket, directory or object isn't there."""

    code = "object_not_found"
    http_status = 422
    default_message = "nothing found in storage"


class DirectoryNotFound(ObjectNotFound):
    """Nothing lies there, as far as the store knows; in HTTP just an `ObjectNotFound`."""


class StorageDenied(StorageError):
    """The store refused our credentials."""

    code = "storage_denied"
    http_status = 422
    default_message = "storage access denied"


class TransferFailed(StorageError):
    """Bytes were lost or changed on the way, after retries."""

    code = "transfer_failed"
    default_message = "transfer failed"


class Unavailable(FalconeriError):
    """The database or falconerid can't be reached now; the same request may work in a moment."""

    code = "unavailable"
    http_status = 503
    default_message = "temporarily unavailable"


class TookTooLong(FalconeriError):
    """The database did not answer within the time that such a request has."""

    code = "took_too_long"
    http_status = 504
    default_message = "the request took too long"
    default_hint = "ask for less, or try again when there is less to do"


def _tree(root: type[FalconeriError]) -> list[type[FalconeriError]]:
    return [root, *(leaf for child in root.__subclasses__() for leaf in _tree(child))]


BY_CODE: dict[str, type[FalconeriError]] = {
    cls.code: cls for cls in reversed(_tree(FalconeriError))
}
"""The class of each `code` of an error body."""

BY_SQLSTATE: dict[str, type[FalconeriError]] = {
    cls.sqlstate: cls for cls in _tree(FalconeriError) if "sqlstate" in vars(cls) and cls.sqlstate
}
"""The class of each SQLSTATE that `sql/functions` raise."""
