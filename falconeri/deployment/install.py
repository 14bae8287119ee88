"""Deploys: secrets that are missing, then everything else, by server-side apply.

Called by `falconeri deploy`. Any number of times: what is as it should be stays, and a deployment
that was cut short is finished by the next one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from falconeri.client.retry import ONCE, RetryPolicy
from falconeri.deployment.manifests import shown
from falconeri.deployment.options import Options
from falconeri.deployment.render import DATABASE_SECRET, POSTGRES, render
from falconeri.deployment.retrying import persistently
from falconeri.deployment.secrets import Values, missing, values_of
from falconeri.errors import Conflict, FalconeriError
from falconeri.kube.api import KubeApi
from falconeri.kube.objects import Object, name_of
from falconeri.kube.refusals import AlreadyExists

PATIENCE = RetryPolicy(deadline_s=45.0, cap_s=5.0)
"""For an API server that is just being restarted."""


class CutShort(FalconeriError):
    """Something was refused on the way; what came before it is there."""

    code = "deployment_cut_short"
    http_status = 503


@dataclass
class _Seen:
    """Secrets that were looked up: each is asked for once."""

    api: KubeApi
    policy: RetryPolicy
    known: dict[str, Values | None] = field(default_factory=dict)

    def __call__(self, name: str) -> Values | None:
        if name not in self.known:
            secret = persistently(self.policy, lambda: self.api.find("Secret", name))
            self.known[name] = None if secret is None else values_of(secret)
        return self.known[name]


def new_secrets(api: KubeApi, options: Options, *, patient: bool = True) -> list[Object]:
    """The secrets that this installation lacks, with new values.

    Args:
        patient: Wait for an API server that is away.

    Raises:
        Conflict: What is there doesn't fit.
        FalconeriError: The cluster can't be asked. Nothing is taken for absent because of that.
    """
    found = missing(options, _Seen(api, PATIENCE if patient else ONCE))
    names = {name_of(secret) for secret in found}
    if DATABASE_SECRET in names and api.find("PersistentVolumeClaim", POSTGRES) is not None:
        raise Conflict(
            "there is a database, but its secret is missing",
            detail=f"persistentvolumeclaim/{POSTGRES} without secret/{DATABASE_SECRET}",
            hint="restore the secret; or `falconeri undeploy --all` deletes the database, too",
        )
    return found


def deploy(
    api: KubeApi, options: Options, *, skip_secrets: bool, say: Callable[[str], None]
) -> list[Object]:
    """Bring the installation to what was chosen; return its objects.

    Args:
        skip_secrets: Make none: somebody else does.
        say: Told of each object that is done, in a line.

    Raises:
        Conflict: The namespace has something that is in the way; nothing was changed.
        CutShort: The cluster refused something; the next deployment goes on.
        FalconeriError: The cluster can't be reached, or doesn't let us look; nothing was changed.
    """
    _refuse_the_original(api)
    secrets = [] if skip_secrets else new_secrets(api, options)
    objects = render(options)
    done = 0
    try:
        for secret in secrets:
            made = persistently(PATIENCE, lambda s=secret: _create(api, s))
            say(f"{shown(secret)} {'created' if made else 'is there already'}")
            done += 1
        for obj in objects:
            persistently(PATIENCE, lambda o=obj: api.apply(o))
            say(f"{shown(obj)} applied")
            done += 1
    except FalconeriError as ex:
        raise CutShort(
            f"deployed {done} of {len(secrets) + len(objects)} objects, then stopped: {ex.message}",
            detail=ex.detail,
            hint=ex.hint or "repeat the command: it goes on",
        ) from ex
    return objects


def _create(api: KubeApi, secret: Object) -> bool:
    """Say whether it was made; somebody else may have been quicker."""
    try:
        api.create(secret)
    except AlreadyExists:
        return False
    return True


def _refuse_the_original(api: KubeApi) -> None:
    """Its database has other tables, in a volume of the same name."""
    if persistently(PATIENCE, lambda: api.find("Deployment", POSTGRES)) is not None:
        raise Conflict(
            "this namespace has an installation of the original falconeri",
            detail=f"deployment/{POSTGRES} in namespace {api.namespace}",
            hint="choose another --namespace; both may run side by side",
        )
