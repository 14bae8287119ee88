"""The life of one pod: images, volumes, init containers, containers, end. Called by `kubelet`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from falconeri.cluster.plan import PodPlan
from falconeri.cluster.pod import Pod
from tests.kube.happenings import record, set_condition
from tests.kube.kinds import kind_named
from tests.kube.objects import parts
from tests.kube.refusals import Json, Refused
from tests.kube.store import Store, now
from tests.kube.verbs import mark_disrupted
from tests.kube.volumes import Image, NotYet, make_volumes, mounts, variables

if TYPE_CHECKING:
    from tests.kube.kubelet import Machine

_POD = kind_named("Pod")
_SOURCE = "kubelet"

T = TypeVar("T")


@dataclass(frozen=True)
class Blow:
    """How a pod is made to end."""

    container_reason: str = "Error"
    pod_reason: str = ""
    message: str = ""
    disruption: str = ""
    """The reason of its condition `DisruptionTarget`, if it gets one."""
    exit_code: int = 137


class _Gone(Exception):
    """The pod is to end before it has begun."""


class PodRun:
    """A pod on its node."""

    def __init__(
        self, store: Store, machine: Machine, pod: Json, is_up: Callable[[], bool]
    ) -> None:
        self._store = store
        self._machine = machine
        self._pod = pod
        self._is_up = is_up
        self._directory = machine.directory / pod["metadata"]["uid"]
        self._containers: dict[str, Pod] = {}
        self._terminating_s: float | None = None
        self._blow: Blow | None = None
        self._vanished = False
        self._thread = threading.Thread(target=self._live, name="kubelet", daemon=True)

    @property
    def is_over(self) -> bool:
        """Whether nothing runs, nor will."""
        return not self._thread.is_alive()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def join(self) -> None:
        """Wait for the end."""
        if self._thread.ident is not None:
            self._thread.join()

    def terminate(self, grace_s: float) -> None:
        """Let it end: SIGTERM, then SIGKILL. Safe to repeat."""
        end = time.monotonic() + grace_s
        if self._terminating_s is None:
            self._terminating_s = end
            for container in list(self._containers.values()):
                container.terminate()
        self._terminating_s = min(self._terminating_s, end)

    def strike(self, blow: Blow) -> None:
        """End it by force."""
        self._blow = blow
        for container in list(self._containers.values()):
            container.kill()

    def vanish(self) -> None:
        """End it without a word to anybody."""
        self._vanished = True
        self.strike(Blow())

    def log_of(self, container: str) -> str:
        """What a container has written so far."""
        path = self._directory / container / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _live(self) -> None:
        self._directory.mkdir(parents=True)
        try:
            self._pull_images()
            volumes = self._until(
                lambda: make_volumes(
                    self._store, self._pod, self._directory / "volumes", self._machine.images
                ),
                "ContainerCreating",
                "FailedMount",
            )
            ends: list[Json] = []
            for container in parts(self._pod["spec"], "initContainers"):
                self._launch(container, volumes)
                ends.append(self._wait(container["name"]))
                self._tell(lambda status: status.update(initContainerStatuses=ends))
                if ends[-1]["state"]["terminated"]["exitCode"]:
                    self._finish([])
                    return
            wanted = self._pod["spec"]["containers"]
            for container in wanted:
                self._launch(container, volumes)
            self._tell(self._set_running)
            self._finish([self._wait(container["name"]) for container in wanted])
        except _Gone:
            self._finish([])

    def _pull_images(self) -> None:
        for container in [
            *(parts(self._pod["spec"], "initContainers")),
            *self._pod["spec"]["containers"],
        ]:
            image = container["image"]
            if image in self._machine.missing_images:
                message = f'Failed to pull image "{image}": not found'
                self._record("Failed", message, warning=True)
                self._record("Failed", "Error: ErrImagePull", warning=True)
                self._record("BackOff", f'Back-off pulling image "{image}"', warning=True)
                text = f'Back-off pulling image "{image}": ErrImagePull: not found'
                self._set_waiting("ImagePullBackOff", text, container["name"])
            while image in self._machine.missing_images:
                self._pause()
            self._record("Pulled", f'Container image "{image}" already present on machine')

    def _until(self, look: Callable[[], T], reason: str, event: str) -> T:
        """Try again and again, and say so, until what a pod needs is there."""
        while True:
            try:
                return look()
            except NotYet as ex:
                self._set_waiting(reason, str(ex))
                self._record(event, f"Error: {ex}", warning=True)
                self._pause()

    def _pause(self) -> None:
        if self._terminating_s is not None or self._blow is not None:
            raise _Gone
        with self._store.changed:
            self._store.changed.wait(0.1)

    def _launch(self, container: Json, volumes: dict[str, Path]) -> None:
        image = self._machine.images.get(container["image"], Image())
        environment = self._until(
            lambda: variables(self._store, self._pod, container, image),
            "CreateContainerConfigError",
            "Failed",
        )
        command = [*parts(container, "command"), *parts(container, "args")]
        binds = mounts(container, volumes, image)
        if not self._machine.private_root:
            command = [_moved(word, binds) for word in command]
            environment = {**_told(binds), **environment}
            binds = []
        process = Pod(self._directory / container["name"])
        workdir = Path(container.get("workingDir") or image.workdir or process.directory)
        if self._terminating_s is not None or self._blow is not None:
            raise _Gone
        self._containers[container["name"]] = process
        process.launch(PodPlan(environment, workdir, binds), command)
        self._record("Started", f"Started container {container['name']}")

    def _wait(self, name: str) -> Json:
        """Wait for a container's end; return its status."""
        process = self._containers[name]
        watcher = threading.Thread(target=self._kill_when_late, args=(process,), daemon=True)
        self._over = threading.Event()
        watcher.start()
        end = process.wait()
        self._over.set()
        watcher.join()
        blow = self._blow
        code = blow.exit_code if blow else end.exit_code
        reason = blow.container_reason if blow else "Error" if code else "Completed"
        ended = {"exitCode": code, "reason": reason, "startedAt": now(), "finishedAt": now()}
        return self._status(name, {"terminated": ended}, ready=False)

    def _kill_when_late(self, process: Pod) -> None:
        """Kill what struck pods and those whose grace is over still run."""
        while not self._over.wait(0.05):
            late = self._terminating_s is not None and time.monotonic() > self._terminating_s
            if late or self._blow is not None:
                process.kill()

    def _status(self, name: str, state: Json, *, ready: bool) -> Json:
        containers = [
            *(parts(self._pod["spec"], "initContainers")),
            *self._pod["spec"]["containers"],
        ]
        image = next(c["image"] for c in containers if c["name"] == name)
        return {
            "name": name,
            "image": image,
            "imageID": "",
            "ready": ready,
            "restartCount": 0,
            "state": state,
        }

    def _set_running(self, status: Json) -> None:
        status["phase"] = "Running"
        status["podIP"] = "127.0.0.1"
        set_condition(status, "Initialized")
        set_condition(status, "Ready")
        set_condition(status, "ContainersReady")
        running = {"running": {"startedAt": now()}}
        status["containerStatuses"] = [
            self._status(c["name"], running, ready=True) for c in self._pod["spec"]["containers"]
        ]

    def _set_waiting(self, reason: str, message: str, name: str = "") -> None:
        waiting = {"waiting": {"reason": reason, "message": message}}
        spec = self._pod["spec"]
        init = [c["name"] for c in parts(spec, "initContainers")]
        field, names = (
            ("initContainerStatuses", init)
            if name in init
            else ("containerStatuses", [c["name"] for c in spec["containers"]])
        )

        def tell(status: Json) -> None:
            status[field] = [self._status(n, waiting, ready=False) for n in names]

        self._tell(tell)

    def _finish(self, ends: list[Json]) -> None:
        if self._vanished:
            return
        blow = self._blow

        def tell(status: Json) -> None:
            good = bool(ends) and not any(e["state"]["terminated"]["exitCode"] for e in ends)
            status["phase"] = "Succeeded" if good and not blow else "Failed"
            set_condition(status, "Ready", value="False", reason="PodCompleted")
            if ends:
                status["containerStatuses"] = ends
            if blow and blow.pod_reason:
                status |= {"reason": blow.pod_reason, "message": blow.message}
            if blow and blow.disruption:
                mark_disrupted({"status": status}, blow.disruption, blow.message)

        if blow and blow.pod_reason:
            self._record(blow.pod_reason, blow.message, warning=True)
        self._tell(tell)

    def _tell(self, change: Callable[[Json], object]) -> None:
        """Report to the API server, when it can be reached."""
        while not self._is_up() and not self._vanished:
            time.sleep(0.02)

        def make(pod: Json) -> Json:
            change(pod["status"])
            return pod

        metadata = self._pod["metadata"]
        with self._store.changed:
            current = self._store.find("Pod", metadata["namespace"], metadata["name"])
            if current is None or current["metadata"]["uid"] != metadata["uid"]:
                return
            self._store.change(
                _POD, metadata["namespace"], metadata["name"], make, subresource="status"
            )

    def _record(self, reason: str, message: str, *, warning: bool = False) -> None:
        try:
            record(self._store, self._pod, reason, message, source=_SOURCE, warning=warning)
        except Refused:
            return  # the namespace is gone


def _moved(word: str, binds: list[tuple[Path, str]]) -> str:
    """A word of a command, with the paths that the container would see made real ones."""
    for source, path in sorted(binds, key=lambda bind: -len(bind[1])):
        word = word.replace(path, str(source))
    return word


def _told(binds: list[tuple[Path, str]]) -> dict[str, str]:
    """Where a worker of ours finds what it would see at its usual places."""
    places = {path: str(source) for source, path in binds}
    space = {"FALCONERI_SPACE": found} if (found := places.get("/falconeri-space")) else {}
    return space | {
        "FALCONERI_PFS": places.get("/pfs", ""),
        "FALCONERI_SCRATCH": places.get("/scratch", ""),
        "FALCONERI_PASSWORD_FILE": f"{places.get('/etc/falconeri/secrets')}/POSTGRES_PASSWORD",
    }
