"""The environment that the container was started with, for the job's command.

Called by `variables`. In the bundle (deploy/worker-bundle) the worker itself has another one: what
is meant for the image's loader, libc and OpenSSL must not reach ours. The bundle's start program,
start.c, renames such variables and adds some of its own; this is the way back.
"""

from __future__ import annotations

from collections.abc import Mapping

_HIDDEN = "FALCONERI_HIDDEN_"
"""`FALCONERI_HIDDEN_LD_PRELOAD=x`: the container has `LD_PRELOAD=x`."""

_ADDED = "FALCONERI_ADDED_"
"""`FALCONERI_ADDED_SSL_CERT_FILE=`: this process's `SSL_CERT_FILE` is the bundle's."""


def of_the_container(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the container's variables. They are `environ` where nothing was hidden or added."""
    added = {name.removeprefix(_ADDED) for name in environ if name.startswith(_ADDED)}
    hidden = {
        name.removeprefix(_HIDDEN): value
        for name, value in environ.items()
        if name.startswith(_HIDDEN)
    }
    kept = {
        name: value
        for name, value in environ.items()
        if name not in added and not name.startswith((_HIDDEN, _ADDED))
    }
    return kept | hidden
