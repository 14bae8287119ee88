"""Finds falconerid: where the environment says, on this machine, or in a Kubernetes cluster.

Called by every command that talks to falconerid.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from falconeri.config import PASSWORD_FILE
from falconeri.errors import InvalidArgument, Unavailable
from falconeri_cli import in_cluster

if TYPE_CHECKING:
    from falconeri.client.jobs import JobsClient
    from falconeri.local.state import RunningStack


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where falconerid listens, and how to log in."""

    url: str
    wait_url: str | None
    """The port for waiting clients; None for the one above the other."""
    password: str = field(repr=False)

    def client(self) -> JobsClient:
        """Return a client; nothing is sent yet.

        Raises:
            InvalidArgument: A URL isn't one.
        """
        from falconeri.client.jobs import JobsClient  # noqa: PLC0415  (it takes its time)

        return JobsClient.connect(self.url, self.password, wait_url=self.wait_url)


def find(environ: Mapping[str, str] = os.environ) -> Endpoint:
    """Return the falconerid to talk to.

    Raises:
        InvalidArgument: FALCONERI_URL is set, but there is no password for it.
        Unavailable: It isn't set, no local stack is up, and no cluster has one.
        FalconeriError: The cluster doesn't let us look.
    """
    if url := environ.get("FALCONERI_URL"):
        return _from_environment(url, environ)
    from falconeri.local.state import default_state  # noqa: PLC0415  (not needed with a URL)

    state = default_state(environ)
    if (stack := state.running_stack()) is not None:
        return of_stack(stack)
    if state.is_locked():
        raise Unavailable("the local stack is just starting or stopping", detail=str(state.path))
    if in_cluster.is_known(environ):
        return Endpoint(
            url=in_cluster.url(environ),
            wait_url=environ.get("FALCONERI_WAIT_URL"),
            password=_password(environ),
        )
    raise Unavailable(
        "no falconerid to talk to",
        hint="`falconeri local up` starts one; or set FALCONERI_URL and FALCONERI_PASSWORD",
    )


def of_stack(stack: RunningStack) -> Endpoint:
    """Return the falconerid of a local stack."""
    return Endpoint(url=stack.url, wait_url=stack.wait_url, password=stack.password)


def _from_environment(url: str, environ: Mapping[str, str]) -> Endpoint:
    return Endpoint(
        url=url,
        wait_url=environ.get("FALCONERI_WAIT_URL"),
        password=_password(environ),
    )


def _password(environ: Mapping[str, str]) -> str:
    """What is set; else what the cluster's secret says, as for the original's command line."""
    if password := environ.get("FALCONERI_PASSWORD"):
        return password
    path = environ.get("FALCONERI_PASSWORD_FILE", PASSWORD_FILE)
    try:
        return Path(path).read_text().removesuffix("\n")
    except (OSError, UnicodeDecodeError) as ex:
        if "FALCONERI_PASSWORD_FILE" not in environ and in_cluster.is_known(environ):
            return in_cluster.password(environ)
        raise InvalidArgument(
            "FALCONERI_URL is set, but there is no password for it",
            detail=f"{path}: {getattr(ex, 'strerror', None) or ex}",
            hint="set FALCONERI_PASSWORD or FALCONERI_PASSWORD_FILE",
        ) from ex
