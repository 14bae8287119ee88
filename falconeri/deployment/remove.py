"""Undeploys: everything, whatever was chosen when it was deployed, and never half of it.

Called by `falconeri undeploy`. What can't be deleted doesn't keep the rest from being deleted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from falconeri.client.retry import RetryPolicy
from falconeri.deployment.manifests import shown
from falconeri.deployment.render import DATABASE_SECRET, MINIO, everything
from falconeri.deployment.retrying import persistently
from falconeri.deployment.secrets import BUCKETS, FALCONERI, is_ours
from falconeri.errors import FalconeriError
from falconeri.kube.api import KubeApi
from falconeri.kube.objects import Object, name_of

PATIENCE = RetryPolicy(deadline_s=20.0, cap_s=4.0)

JOBS = "created-by=falconeri"
"""What the Jobs that falconerid has made are labelled with."""

_CLAIM = "PersistentVolumeClaim"
_ALL_DELETES = "--all deletes it"


@dataclass
class Removal:
    """What became of everything; each entry names an object."""

    deleted: list[str] = field(default_factory=list[str])
    kept: list[str] = field(default_factory=list[str])
    """With the reason."""
    failures: list[str] = field(default_factory=list[str])
    """With what went wrong."""


def undeploy(api: KubeApi, *, all_of_it: bool, say: Callable[[str], None]) -> Removal:
    """Delete the installation.

    Args:
        all_of_it: Also what can't be had again: volumes, secrets, jobs that run.
        say: Told of each object that was there, in a line.
    """
    remover = _Remover(api, say)
    treat = remover.delete if all_of_it else remover.keep
    objects = everything()
    for obj in reversed(objects):  # what needs the database goes before it
        if obj["kind"] != _CLAIM:
            remover.delete(obj)
    for job in remover.listed_jobs():
        treat(job)
    for obj in objects:
        if obj["kind"] == _CLAIM:
            treat(obj)
    for name in (FALCONERI, DATABASE_SECRET, MINIO):
        treat(_secret(name))
    if remover.bucket_secret_is_ours():
        treat(_secret(BUCKETS))
    else:
        remover.keep(_secret(BUCKETS), "not made by falconeri")
    return remover.removal


class _Remover:
    """Deletes, keeps, and writes down what became of it."""

    def __init__(self, api: KubeApi, say: Callable[[str], None]) -> None:
        self._api = api
        self._say = say
        self.removal = Removal()

    def delete(self, obj: Object) -> None:
        try:
            if persistently(PATIENCE, lambda: self._api.delete(obj["kind"], name_of(obj))):
                self.removal.deleted.append(shown(obj))
                self._say(f"{shown(obj)} deleted")
        except FalconeriError as ex:
            self._fail(shown(obj), ex)

    def keep(self, obj: Object, reason: str = _ALL_DELETES) -> None:
        try:
            if persistently(PATIENCE, lambda: self._api.find(obj["kind"], name_of(obj))):
                self.removal.kept.append(f"{shown(obj)} ({reason})")
        except FalconeriError as ex:
            self._fail(shown(obj), ex)

    def listed_jobs(self) -> list[Object]:
        try:
            return persistently(PATIENCE, lambda: self._api.list("Job", labels=JOBS))
        except FalconeriError as ex:
            self._fail("the jobs of falconeri", ex)
            return []

    def bucket_secret_is_ours(self) -> bool:
        """Whether it has no credentials of somebody else; if unknown, it isn't ours."""
        try:
            secret = persistently(PATIENCE, lambda: self._api.find("Secret", BUCKETS))
        except FalconeriError:
            return False  # `keep` will tell
        return secret is not None and is_ours(secret)

    def _fail(self, what: str, ex: FalconeriError) -> None:
        self.removal.failures.append(f"{what}: {ex}")
        self._say(f"{what} NOT deleted: {ex}")


def _secret(name: str) -> Object:
    return {"kind": "Secret", "metadata": {"name": name}}
