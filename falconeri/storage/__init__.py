"""Buckets and directories behind one interface: list, download, upload, delete, stat.

`base` has the interface, `uri` the rules for names, and each kind of store a module. Called by
the pipeline, the worker and the babysitter; knows nothing of jobs and datums.
"""

from __future__ import annotations

from collections.abc import Callable

from falconeri.errors import InvalidInput
from falconeri.storage.base import Credentials, Entry, Storage, Stored
from falconeri.storage.uri import parse

__all__ = ["SCHEMES", "Credentials", "Entry", "Storage", "Stored", "open_storage"]


def open_storage(uri: str, credentials: Credentials) -> Storage:
    """Choose the store of a URI. Nothing is asked of it yet.

    Raises:
        InvalidInput: Not a URI, or a scheme that isn't in `SCHEMES`.
        StorageError: The credentials' settings can't be used.
    """
    scheme = parse(uri).scheme
    if scheme not in SCHEMES:
        known = ", ".join(f"{name}://" for name in SCHEMES)
        raise InvalidInput("unknown kind of storage", detail=repr(uri), hint=f"there is {known}")
    return SCHEMES[scheme](credentials)


# The stores' own modules are imported when first needed: they take a third of a second.
# ruff: noqa: PLC0415


def _file(_: Credentials) -> Storage:
    from falconeri.storage.files import FileStorage

    return FileStorage()


def _s3(credentials: Credentials) -> Storage:
    from falconeri.storage.s3 import S3Storage

    return S3Storage(credentials)


def _gs(credentials: Credentials) -> Storage:
    from falconeri.storage.gcs import GcsStorage

    return GcsStorage(credentials)


SCHEMES: dict[str, Callable[[Credentials], Storage]] = {"file": _file, "gs": _gs, "s3": _s3}
"""What opens the stores of each scheme: a new kind of store is a module and a line here."""
