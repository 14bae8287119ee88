"""Waits until what was deployed runs. Called by `falconeri deploy --wait`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from falconeri.deployment.render import workloads
from falconeri.deployment.status import Component, component_of
from falconeri.errors import Unavailable
from falconeri.kube.api import KubeApi
from falconeri.kube.objects import Object, name_of

EVERY_S = 1.0

States = tuple[Component, ...]


def follow(api: KubeApi, objects: Iterable[Object], *, timeout_s: float) -> Iterator[States]:
    """Yield how far they are, again and again, until all are settled.

    An API server that is away for a moment is waited for.

    Raises:
        Unavailable: They weren't in time.
    """
    wanted = [(obj["kind"], name_of(obj)) for obj in workloads(list(objects))]
    until = time.monotonic() + timeout_s
    states: States = ()
    while True:
        try:
            states = _look(api, wanted)
        except Unavailable:
            if time.monotonic() >= until:
                raise
        else:
            yield states
            if len(states) == len(wanted) and all(one.settled for one in states):
                return
        if time.monotonic() >= until:
            raise Unavailable(
                f"not everything is ready after {timeout_s:.0f} s",
                detail=_behind(wanted, states),
                hint="it goes on by itself if it can: `falconeri status` says how it is",
            )
        time.sleep(EVERY_S)


def in_words(states: States) -> str:
    """How many pods of each are ready: `falconerid 1/2, falconerid-tasks 2/2`."""
    return ", ".join(f"{one.name} {one.ready}/{one.wanted}" for one in states)


def _behind(wanted: list[tuple[str, str]], states: States) -> str:
    """What isn't ready, as it was last seen."""
    seen = {one.name for one in states}
    behind = in_words(tuple(one for one in states if not one.settled))
    missing = [f"{name} is not there" for _, name in wanted if name not in seen]
    return ", ".join(filter(None, (behind, *missing)))


def _look(api: KubeApi, wanted: list[tuple[str, str]]) -> States:
    found = ((kind, api.find(kind, name)) for kind, name in wanted)
    return tuple(component_of({"kind": kind, **obj}) for kind, obj in found if obj is not None)
