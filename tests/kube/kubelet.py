"""The kubelets of all nodes: they run pods. Called by `cluster`; one thread for each pod.

A test makes a pod end by `strike`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.kube.deletion import delete
from tests.kube.kinds import kind_named
from tests.kube.pod_run import Blow, PodRun
from tests.kube.refusals import Json, Refused
from tests.kube.store import Store
from tests.kube.verbs import mark_disrupted
from tests.kube.volumes import Image

_POD = kind_named("Pod")
_ENDED = {"Succeeded", "Failed"}


@dataclass
class Machine:
    """What the nodes have, all of them the same."""

    directory: Path
    private_root: bool
    """Whether containers can see directories where they are mounted."""
    images: dict[str, Image]
    missing_images: set[str]
    """Those that can't be pulled."""


class Kubelet:
    """Runs each pod that has a node."""

    def __init__(self, store: Store, machine: Machine, is_up: Callable[[], bool]) -> None:
        self._store = store
        self._machine = machine
        self._is_up = is_up
        self._runs: dict[str, PodRun] = {}
        self._lock = threading.Lock()

    def look(self) -> None:
        """Start new pods, and end those that are to go."""
        for pod in self._store.list("Pod"):
            if not pod["spec"].get("nodeName"):
                continue
            run = self._run_of(pod)
            if "deletionTimestamp" in pod["metadata"]:
                run.terminate(pod["metadata"].get("deletionGracePeriodSeconds") or 0)
                if run.is_over:
                    self._let_go(pod)

    def _run_of(self, pod: Json) -> PodRun:
        with self._lock:
            uid = pod["metadata"]["uid"]
            if uid not in self._runs:
                run = PodRun(self._store, self._machine, pod, self._is_up)
                self._runs[uid] = run
                if pod["status"].get("phase") not in _ENDED:
                    run.start()
            return self._runs[uid]

    def _let_go(self, pod: Json) -> None:
        """Tell that nothing of a deleted pod is left."""
        try:
            delete(
                self._store,
                _POD,
                pod["metadata"]["namespace"],
                pod["metadata"]["name"],
                grace_s=0,
                preconditions={"uid": pod["metadata"]["uid"]},
            )
        except Refused as ex:
            if ex.code not in {404, 409}:
                raise

    def strike(self, namespace: str, name: str, blow: Blow) -> None:
        """End a pod in some way."""
        pod = self._store.get(_POD, namespace, name)
        self._run_of(pod).strike(blow)

    def lose_node(self, node: str) -> None:
        """What a node that is gone does to its pods, once the cluster has given it up."""
        for pod in self._store.list("Pod"):
            if pod["spec"].get("nodeName") != node or pod["status"].get("phase") in _ENDED:
                continue
            metadata = pod["metadata"]

            def fail(current: Json) -> Json:
                mark_disrupted(current, "DeletionByPodGC", "PodGC: node no longer exists")
                current["status"] |= {"phase": "Failed"}
                return current

            self._run_of(pod).vanish()
            self._store.change(
                _POD, metadata["namespace"], metadata["name"], fail, subresource="status"
            )
            delete(self._store, _POD, metadata["namespace"], metadata["name"], grace_s=0)

    def log_of(self, namespace: str, name: str, container: str | None) -> str:
        """What a container has written."""
        pod = self._store.get(_POD, namespace, name)
        run = self._run_of(pod)
        return run.log_of(container or pod["spec"]["containers"][0]["name"])

    def close(self) -> None:
        """Kill everything."""
        with self._lock:
            runs = list(self._runs.values())
        for run in runs:
            run.vanish()
        for run in runs:
            run.join()
