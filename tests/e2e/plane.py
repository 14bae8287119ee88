"""What of an installation runs on this machine: replicas of `serve` behind one port; `tasks`."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.databases import as_server
from tests.kube.waiting import eventually
from tests.server.balancer import balancing
from tests.server.falconerid import PASSWORD, Falconerid, events, running


class Plane:
    """Any number of each; all end with the plane.

    Args:
        host: This machine, as pods see it.
        listen: Where pods can reach what listens.
        settings: Of all processes.
        kubeconfigs: Of `serve`, and of `tasks`.
    """

    def __init__(
        self,
        stack: ExitStack,
        database_url: str,
        directory: Path,
        *,
        host: str,
        listen: str,
        settings: Mapping[str, str],
        kubeconfigs: tuple[Path, Path],
    ) -> None:
        self._stack = stack
        self._database_url = database_url
        self._directory = directory
        self._settings = settings
        self._serve_config, self._tasks_config = map(str, kubeconfigs)
        self._rest = stack.enter_context(balancing([], listen))
        self._waiting = stack.enter_context(balancing([], listen))
        self._urls = {
            "FALCONERI_URL": f"http://{host}:{self._rest.port}/",
            "FALCONERI_WAIT_URL": f"http://{host}:{self._waiting.port}/",
        }
        self.url = f"http://127.0.0.1:{self._rest.port}/"
        self.wait_url = f"http://127.0.0.1:{self._waiting.port}/"

    def start_serve(self) -> Falconerid:
        """One more replica."""
        replica = self._stack.enter_context(
            running(
                self._database_url,
                self._directory,
                KUBECONFIG=self._serve_config,
                **self._settings,
            )
        )
        self._rest.add(replica.port)
        self._waiting.add(replica.wait_port)
        return replica

    def start_tasks(self) -> subprocess.Popen[bytes]:
        """One more process of tasks, when it works."""
        return self._stack.enter_context(self._tasks())

    @contextmanager
    def _tasks(self) -> Generator[subprocess.Popen[bytes]]:
        log = self._directory / f"tasks-{uuid.uuid4().hex}.log"
        environment = os.environ | {
            "FALCONERI_DATABASE_URL": as_server(self._database_url),
            "FALCONERI_PASSWORD": PASSWORD,
            "KUBECONFIG": self._tasks_config,
            **self._urls,
            **self._settings,
        }
        command = [sys.executable, "-m", "falconeri.daemon", "tasks"]
        with (
            log.open("wb") as output,
            subprocess.Popen(command, env=environment, stderr=output) as process,
        ):
            try:
                eventually(
                    lambda: process.poll() is not None or events(log, "tasks_ready"),
                    what="tasks_ready",
                )
                assert process.poll() is None, log.read_text()
                yield process
            finally:
                process.terminate()
