from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest

from falconeri.cluster.base import DeadWorker
from falconeri.cluster.local import LocalCluster
from falconeri.cluster.probe import why_no_private_root
from tests.cluster.factories import eventually


class RunningCluster:
    """A local cluster, and what it has told so far."""

    def __init__(
        self, state: Path, command: tuple[str, ...], *, slots: int, sandbox: bool | None
    ) -> None:
        self.state = state
        self.woken = threading.Event()
        self.deaths: list[DeadWorker] = []
        self.cluster = LocalCluster(
            state,
            slots=slots,
            worker_environment={"FALCONERI_URL": "http://localhost:1/"},
            worker_command=command,
            on_death=self.woken.set,
            sandbox=sandbox,
        )

    def wait_for_pods(self, count: int) -> set[str]:
        """The names of the live pods, when there are exactly this many."""

        def look() -> set[str]:
            pods = {pod for _, pod in self.cluster.live_workers()}
            return pods if len(pods) == count else set()

        return eventually(look, what=f"{count} live pods")

    def wait_for_deaths(self, count: int) -> list[DeadWorker]:
        """All deaths so far, when there are at least this many."""

        def look() -> bool:
            self.deaths += self.cluster.take_deaths()
            return len(self.deaths) >= count

        eventually(look, what=f"{count} deaths")
        return self.deaths

    def file(self, pod: str, name: str) -> Path:
        """A file of a pod, when it exists and has content."""
        path = self.state / "pods" / pod / name
        eventually(lambda: path.exists() and path.stat().st_size, what=str(path))
        return path


class MakeCluster(Protocol):
    def __call__(
        self, command: tuple[str, ...], *, slots: int = 4, sandbox: bool | None = None
    ) -> RunningCluster: ...


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def make_cluster(state: Path) -> Iterator[MakeCluster]:
    with ExitStack() as stack:

        def make(
            command: tuple[str, ...], *, slots: int = 4, sandbox: bool | None = None
        ) -> RunningCluster:
            running = RunningCluster(state, command, slots=slots, sandbox=sandbox)
            stack.enter_context(running.cluster)
            return running

        yield make


@pytest.fixture(scope="session")
def private_root(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skips tests of what this machine can't do."""
    reason = why_no_private_root(tmp_path_factory.mktemp("probe"))
    if reason is not None:
        pytest.skip(f"no private root: {reason}")
