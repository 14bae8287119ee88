"""The fake cluster: its parts put together, and the hooks by which a test makes things go wrong."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

import yaml
from kubernetes import client

from falconeri.cluster.probe import why_no_private_root
from tests.kube.access import Access, Request
from tests.kube.deletion import collect
from tests.kube.front import Fault, Front
from tests.kube.happenings import set_condition
from tests.kube.jobs import JobController
from tests.kube.kinds import kind_named
from tests.kube.kubelet import Kubelet, Machine
from tests.kube.objects import part
from tests.kube.pod_run import Blow
from tests.kube.refusals import Json, Refused
from tests.kube.scheduler import Scheduler
from tests.kube.store import Store
from tests.kube.volumes import Image
from tests.kube.watching import Query
from tests.kube.workloads import Workloads


@cache
def _has_private_roots(directory: Path) -> bool:
    return why_no_private_root(directory) is None


_NODE = kind_named("Node")
_JOB = kind_named("Job")
_LABELS = {"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
_CAPACITY = {"cpu": "16", "memory": "64Gi", "pods": "110"}
_PACE_S = 0.2


class FakeKubernetes:
    """A cluster of two nodes, `node-1` and `node-2`, and the namespace `default`.

    Args:
        directory: Where pods have their directories; made if need be.
        run: Whether there are controllers; without them objects are only stored.
    """

    def __init__(self, directory: Path, *, run: bool = True, namespace: str = "default") -> None:
        self.namespace = namespace
        self.store = Store()
        self.access = Access(self.store)
        self.faults: list[Fault] = []
        self.quota: str | None = None
        """Why no pod can be made, if a test wants so."""
        directory.mkdir(parents=True, exist_ok=True)
        machine = Machine(
            directory.resolve(),
            private_root=_has_private_roots(directory.parent),
            images={},
            missing_images=set(),
        )
        self.images = machine.images
        self.missing_images = machine.missing_images
        self.workloads = Workloads(self.store)
        self._scheduler = Scheduler(self.store)
        self._kubelet = Kubelet(self.store, machine, lambda: self._front is not None)
        self._jobs = JobController(self.store, self._refuse_pod)
        self._closed = False
        self.errors: list[str] = []
        """What the controllers stumbled over: defects of this fake."""
        self._front: Front | None = self._listen()
        self._port = self._front.server_port
        for name in ("node-1", "node-2"):
            self.add_node(name)
        self._controllers = threading.Thread(target=self._control, daemon=True)
        if run:
            self._controllers.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        if error is None and self.errors:
            raise AssertionError(self.errors[0])

    def close(self) -> None:
        """Kill everything, also what runs in pods."""
        self._closed = True
        if self._controllers.ident is not None:
            self._controllers.join()
        self._kubelet.close()
        if self._front is not None:
            self._front.close()
            self._front = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}"

    def token_for(self, name: str, namespace: str | None = None) -> str:
        """A token of a service account, which may do what the stored Roles say."""
        return self.access.token_for(namespace or self.namespace, name)

    def client(self, token: str | None = None) -> client.ApiClient:
        """A client: an administrator's, or a token's."""
        configuration = client.Configuration()
        configuration.host = self.url
        token = token or self.access.admin_token
        configuration.api_key = {"BearerToken": f"Bearer {token}"}
        configuration.api_key["authorization"] = f"Bearer {token}"
        configuration.retries = False
        return client.ApiClient(configuration)

    def write_kubeconfig(self, path: Path, token: str | None = None) -> Path:
        """A kubeconfig file for this cluster."""
        context = {"cluster": "fake", "user": "fake", "namespace": self.namespace}
        user = {"token": token or self.access.admin_token}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "fake",
            "clusters": [{"name": "fake", "cluster": {"server": self.url}}],
            "users": [{"name": "fake", "user": user}],
            "contexts": [{"name": "fake", "context": context}],
        }
        path.write_text(yaml.safe_dump(config))
        path.chmod(0o600)
        return path

    # What can go wrong.

    @contextmanager
    def outage(self) -> Generator[None]:
        """Meanwhile nothing listens. What runs on the nodes goes on, unreported."""
        front, self._front = self._front, None
        assert front is not None
        front.close()
        try:
            yield
        finally:
            self._front = self._listen(self._port)

    def forget_the_past(self) -> None:
        """Watches and lists of before now have expired: their clients get 410."""
        self.store.compact()

    def break_watches(self) -> None:
        """Cut all connections, as a load balancer does now and then."""
        with self.outage():
            pass

    @contextmanager
    def failing(
        self, verb: str, resource: str, code: int, reason: str = "InternalError"
    ) -> Generator[list[Request]]:
        """Meanwhile such requests fail; `*` means any. Yields those that did."""
        failed: list[Request] = []

        def fault(request: Request) -> None:
            if verb in {"*", request.verb} and resource in {"*", request.resource}:
                failed.append(request)
                raise Refused(code, reason, "a fault that a test asked for")

        self.faults.append(fault)
        try:
            yield failed
        finally:
            self.faults.remove(fault)

    def forbid(self, verb: str, resource: str) -> None:
        """Nobody may do that; `*` means any."""
        self.access.forbidden.add((verb, resource))

    def kill_pod(self, name: str) -> None:
        """Its processes are killed, nobody knows by whom."""
        self._strike(name, Blow())

    def run_out_of_memory(self, name: str) -> None:
        """The kernel kills the container for its limit."""
        self._strike(name, Blow(container_reason="OOMKilled"))

    def exit_pod(self, name: str, code: int) -> None:
        """Its container seems to exit with a code."""
        self._strike(name, Blow(exit_code=code))

    def evict_pod(self, name: str, message: str = "The node was low on resource: memory.") -> None:
        """The kubelet evicts it, because its node runs out of something."""
        self._strike(
            name,
            Blow(pod_reason="Evicted", message=message, disruption="TerminationByKubelet"),
        )

    def preempt_pod(self, name: str) -> None:
        """The scheduler needs its place for a more important one."""
        message = "default-scheduler: preempting to accommodate a higher priority pod"
        self._strike(name, Blow(disruption="PreemptionByScheduler", message=message))

    def lose_node(self, name: str) -> None:
        """A node is gone, and the cluster has noticed."""
        self.set_node_ready(name, ready=False)
        self._kubelet.lose_node(name)

    def set_node_ready(self, name: str, *, ready: bool) -> None:
        """Whether a node takes pods."""

        def make(node: Json) -> Json:
            value = "True" if ready else "Unknown"
            set_condition(node["status"], "Ready", value=value, reason="NodeStatus")
            return node

        self.store.change(_NODE, "", name, make, subresource="status")

    def add_node(
        self,
        name: str,
        *,
        labels: dict[str, str] | None = None,
        capacity: dict[str, str] | None = None,
        taints: list[Json] | None = None,
    ) -> None:
        """A further node."""
        node = {
            "metadata": {
                "name": name,
                "labels": {**_LABELS, "kubernetes.io/hostname": name, **(labels or {})},
            },
            "spec": {"taints": taints or []},
        }
        self.store.create(_NODE, "", node)

        def make(made: Json) -> Json:
            made["status"] = {"allocatable": {**_CAPACITY, **(capacity or {})}}
            set_condition(made["status"], "Ready", reason="KubeletReady")
            return made

        self.store.change(_NODE, "", name, make, subresource="status")

    def refuse_scheduling(self, reason: str | None) -> None:
        """No node takes a pod, for a reason (`Insufficient nvidia.com/gpu`); None: all is well."""
        self._scheduler.refusal = reason

    def exceed_deadline(self, job: str) -> None:
        """A Job's activeDeadlineSeconds, which it must have, is over."""

        def make(obj: Json) -> Json:
            obj["status"]["startTime"] = "2020-01-01T00:00:00Z"
            return obj

        self.store.change(_JOB, self.namespace, job, make, subresource="status")

    # What there is.

    def pods(self, job: str | None = None, *, phase: str | None = None) -> list[Json]:
        """The pods, or those of a Job, or in a phase."""
        return [
            pod
            for pod in self.store.list("Pod", self.namespace)
            if job in {None, part(pod["metadata"], "labels").get("job-name")}
            and phase in {None, pod["status"].get("phase")}
        ]

    def add_image(self, name: str, image: Image) -> None:
        """An image that has something which this machine hasn't where the image has it."""
        self.images[name] = image

    def log_of(self, pod: str, container: str | None = None) -> str:
        """What a container has written."""
        return self._kubelet.log_of(self.namespace, pod, container)

    def _strike(self, pod: str, blow: Blow) -> None:
        self._kubelet.strike(self.namespace, pod, blow)

    def _refuse_pod(self, _pod: Json) -> None:
        if self.quota is not None:
            raise Refused(403, "Forbidden", f"pods is forbidden: exceeded quota: {self.quota}")

    def _listen(self, port: int = 0) -> Front:
        return Front(self.store, self.access, self._log, self.faults, port=port)

    def _log(self, namespace: str, name: str, query: Query) -> str:
        text = self._kubelet.log_of(namespace, name, query.get("container"))
        if tail := query.get("tailLines"):
            text = "".join(text.splitlines(keepends=True)[-int(tail) :])
        return text

    def _control(self) -> None:
        """Do what the controllers do, after each change and now and then."""
        seen = 0
        while not self._closed:
            with self.store.changed:
                if self.store.version == seen:
                    self.store.changed.wait(_PACE_S)
                seen = self.store.version
            if self._front is None:
                continue  # they are clients too
            try:
                collect(self.store)
                self._jobs.reconcile()
                self._scheduler.schedule()
                self._kubelet.look()
                self.workloads.reconcile()
            except Exception:  # noqa: BLE001 - to be told at the end of the test
                self.errors.append(traceback.format_exc())
