"""Keeps one job's local workers running: each of its slots holds a pod, and another when that dies.

Called by `local`, which shares out the slots. Knows nothing of other jobs.
"""

from __future__ import annotations

import secrets
import string
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from falconeri.cluster.base import DeadWorker, WorkersSpec
from falconeri.cluster.plan import plan_pod
from falconeri.cluster.pod import Pod, PodEnd
from falconeri.errors import FalconeriError
from falconeri.log import get_logger
from falconeri.states import FailureClass

_log = get_logger(__name__)

_SUFFIX = string.ascii_lowercase + string.digits
_DEATHS_WINDOW_S = 60.0
_LONG_LIFE_S = 10.0
_MAX_BACKOFF_S = 5.0
_KEPT_LOGS = 50


@dataclass(frozen=True)
class PodSettings:
    """What all pods of a local cluster have in common."""

    state: Path
    """Holds `pods/` and `secrets/`."""
    private_root: bool
    worker_environment: Mapping[str, str]
    worker_command: Sequence[str]


class LocalJob:
    """The workers of one job. Thread-safe; each slot has a thread of its own.

    Args:
        report: Told of each death, by the threads of the slots.
        wake: Called after a report, and when the job is given up.
    """

    def __init__(
        self,
        workers: WorkersSpec,
        settings: PodSettings,
        *,
        report: Callable[[DeadWorker], None],
        wake: Callable[[], None],
    ) -> None:
        self.workers = workers
        self._settings = settings
        self._report = report
        self._wake = wake
        self._lock = threading.Lock()
        self._slots: set[threading.Thread] = set()
        self._live: dict[str, Pod] = {}
        self._dead: deque[Pod] = deque()
        self._deaths: deque[float] = deque()
        self._stopping = threading.Event()
        self._failure: str | None = None

    @property
    def failure(self) -> str | None:
        """Why the job's workers can't be kept running, if so."""
        return self._failure

    @property
    def stopping(self) -> bool:
        """Whether the job is being ended."""
        return self._stopping.is_set()

    def slot_count(self) -> int:
        """How many slots the job occupies."""
        with self._lock:
            return len(self._slots)

    def live_pods(self) -> set[str]:
        """The names of the pods whose worker has not ended."""
        with self._lock:
            return set(self._live)

    def grow(self, slots: int) -> None:
        """Occupy this many slots, if they aren't already."""
        with self._lock:
            if self._ended():
                return
            while len(self._slots) < slots:
                name = f"slot-{self.workers.job_name}"
                slot = threading.Thread(target=self._keep_slot, name=name, daemon=True)
                self._slots.add(slot)
                slot.start()

    def terminate(self) -> None:
        """Ask all workers to end, and start no more."""
        with self._lock:
            self._stopping.set()
        self._each_pod(Pod.terminate)

    def kill(self) -> None:
        """Have everything in all pods killed."""
        self._each_pod(Pod.kill)

    def kill_hard(self) -> None:
        """Kill also the first processes of the pods."""
        self._each_pod(Pod.kill_hard)

    def join(self, deadline: float) -> bool:
        """Wait for the end of all slots until `deadline` (`time.monotonic()`); say if it came."""
        with self._lock:
            slots = list(self._slots)
        for slot in slots:
            slot.join(max(0.0, deadline - time.monotonic()))
        return not any(slot.is_alive() for slot in slots)

    def discard_logs(self) -> None:
        """Delete what was kept of dead pods."""
        with self._lock:
            dead, self._dead = self._dead, deque()
        for pod in dead:
            pod.discard()

    def _each_pod(self, action: Callable[[Pod], None]) -> None:
        with self._lock:
            pods = list(self._live.values())
        for pod in pods:
            action(pod)

    def _ended(self) -> bool:
        return self._stopping.is_set() or self._failure is not None

    def _keep_slot(self) -> None:
        """The life of a slot's thread."""
        failures = 0
        try:
            while not self._ended():
                born = time.monotonic()
                if self._run_pod():
                    return
                failures = 0 if time.monotonic() - born > _LONG_LIFE_S else failures + 1
                self._stopping.wait(_backoff_s(failures))
        except Exception:  # noqa: BLE001 - a thread's outermost loop; the next `start` refills it
            _log.exception("slot_failed", job_id=self.workers.job_id)
        finally:
            with self._lock:
                self._slots.discard(threading.current_thread())

    def _run_pod(self) -> bool:
        """Run one pod to its end; return whether its work was done, so that none must follow."""
        pod = self._new_pod()
        try:
            if not self._launch(pod):
                pod.discard()
                return True
        except FalconeriError as ex:  # the spec's fault: another pod would fare no better
            pod.discard()
            self._give_up(str(ex))
            return True
        except OSError as ex:
            _log.warning("pod_not_started", pod_name=pod.name, error=str(ex))
            pod.discard()
            self._count_death(f"a worker could not be started: {ex}")
            return False
        end = pod.wait()
        died = end.exit_code != 0 or self.stopping
        if died:
            self._report_death(pod, end)
        with self._lock:  # only now: at no moment is a dead worker neither live nor reported
            del self._live[pod.name]
        if died:
            self._bury(pod, end)
            return False
        _log.info("pod_finished", job_id=self.workers.job_id, pod_name=pod.name)
        pod.discard()
        return True

    def _new_pod(self) -> Pod:
        while True:
            suffix = "".join(secrets.choice(_SUFFIX) for _ in range(5))
            name = f"{self.workers.job_name}-{suffix}"
            try:
                return Pod(self._settings.state / "pods" / name)
            except FileExistsError:
                continue

    def _launch(self, pod: Pod) -> bool:
        """Start the pod's worker, unless the job has ended meanwhile."""
        plan = plan_pod(
            self.workers,
            pod=pod.directory,
            secrets=self._settings.state / "secrets",
            private_root=self._settings.private_root,
            worker_environment=self._settings.worker_environment,
        )
        with self._lock:
            if self._ended():
                return False
            # The command's last word is the job, as for the worker of a Kubernetes pod.
            pod.launch(plan, [*self._settings.worker_command, str(self.workers.job_id)])
            self._live[pod.name] = pod
        _log.info("pod_started", job_id=self.workers.job_id, pod_name=pod.name)
        return True

    def _report_death(self, pod: Pod, end: PodEnd) -> None:
        if self.stopping:
            failure_class, message = FailureClass.EVICTED, "the worker was stopped"
        else:
            failure_class, message = end.failure_class, end.message
        death = DeadWorker(self.workers.job_id, pod.name, failure_class, message)
        say = _log.info if self.stopping else _log.warning
        say(
            "pod_died",
            job_id=death.job_id,
            pod_name=death.pod_name,
            failure_class=failure_class,
            exit_code=end.exit_code,
            message=message,
        )
        self._report(death)

    def _bury(self, pod: Pod, end: PodEnd) -> None:
        """Draw the consequences of a death, and keep nothing of the pod but its log."""
        if not self.stopping:
            words = pod.last_words() or "(empty)"
            self._count_death(f"{end.message}; the end of its log:\n{words}")
        self._wake()
        pod.discard(keep_log=True)
        with self._lock:
            self._dead.append(pod)
            oldest = self._dead.popleft() if len(self._dead) > _KEPT_LOGS else None
        if oldest is not None:
            oldest.discard()

    def _count_death(self, cause: str) -> None:
        now = time.monotonic()
        with self._lock:
            self._deaths.append(now)
            while self._deaths[0] < now - _DEATHS_WINDOW_S:
                self._deaths.popleft()
            count = len(self._deaths)
        if count > max(6, 3 * self.workers.parallelism):
            self._give_up(f"{count} workers died within a minute; the last one: {cause}")

    def _give_up(self, reason: str) -> None:
        with self._lock:
            if self._failure is not None:
                return
            self._failure = reason
        _log.error("job_workers_failed", job_id=self.workers.job_id, reason=reason)
        self._wake()


def _backoff_s(failures: int) -> float:
    """The first dead worker is replaced at once, the next ones ever later."""
    return 0.0 if failures <= 1 else min(_MAX_BACKOFF_S, 0.1 * 2.0 ** (failures - 2))
