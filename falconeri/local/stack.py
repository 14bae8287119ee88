"""A whole Falconeri on this machine: PostgreSQL, `falconerid serve` and `falconerid tasks`.

Called by the command line (`local run`, `local up`). One stack for each state directory; all of it
ends with the process that started it, however that ends. Whatever dies meanwhile is started again.
Nothing is lost with it either: jobs lie in the database, and the next stack goes on with them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from falconeri.errors import Conflict, Unavailable
from falconeri.local._ports import HOST, free_ports, is_healthy, require_free
from falconeri.local.keeper import PostgresKeeper
from falconeri.local.state import LocalState, RunningStack
from falconeri.local.supervisor import Supervised

DEFAULT_PORT = 8089

DATABASE_USER = "falconerid"
"""As whom `serve` and `tasks` log in to the embedded PostgreSQL."""

_READY_LIMIT_S = 60.0
_POLL_S = 0.05
_TASKS_STOP_LIMIT_S = 2.5  # in which it stops the workers; with the others well below 5 s
_SERVE_STOP_LIMIT_S = 1.0
_LOCK_PATIENCE_S = 0.5  # somebody who looks whether a stack is up holds the lock for an instant


class StackAlreadyUp(Conflict):
    """Another process runs a stack in this state directory."""

    default_message = "a local stack is already up"


class StackFailed(Unavailable):
    """A part of the stack did not start, or keeps dying; `log_lines` are its last words."""

    default_message = "the local stack failed"

    def __init__(self, message: str, *, log_lines: list[str], detail: str = "") -> None:
        super().__init__(message, detail=detail)
        self.log_lines = log_lines


class LocalStack:
    """A running stack; as a context manager it is up inside the block.

    Args:
        workers: How many workers may run at once.
        port: Of the REST API, and the one above it for waiting; None for any two free ones.
    """

    def __init__(self, state: LocalState, *, workers: int, port: int | None = None) -> None:
        self.state = state
        self._workers = workers
        self._port = port
        self._parts: list[Supervised | PostgresKeeper] = []
        self._teardown = contextlib.ExitStack()
        self._running: RunningStack | None = None

    @property
    def running(self) -> RunningStack:
        """How to reach it."""
        if self._running is None:
            raise RuntimeError("the stack is not up")
        return self._running

    def start(self) -> None:
        """Start everything and return when falconerid answers.

        Raises:
            StackAlreadyUp: In this state directory, by another process.
            StackFailed: A part of it doesn't start.
            Unavailable: The state directory can't be used, or the port is taken.
        """
        self.state.prepare()
        self._teardown.enter_context(_alone(self.state))
        self.state.withdraw()  # a killed stack's
        port, wait_port = self._choose_ports()
        running = RunningStack(
            pid=os.getpid(),
            url=f"http://{HOST}:{port}/",
            wait_url=f"http://{HOST}:{wait_port}/",
            password=self.state.password(),
            database_url=self._start_postgres(),
        )
        environment = self._environment(running, port, wait_port)
        self._migrate(running, environment)
        serve = self._start_falconerid("serve", environment, _SERVE_STOP_LIMIT_S)
        self._start_falconerid("tasks", environment, _TASKS_STOP_LIMIT_S)
        self._wait_until_ready(serve, port)
        self._teardown.callback(self.state.withdraw)
        self.state.publish(running)
        self._running = running

    def check(self) -> None:
        """Say if a part can't be kept running; to be called every second or so.

        Raises:
            StackFailed: A part of it keeps dying.
        """
        for part in self._parts:
            if part.given_up.is_set():
                raise _failed(part, "keeps dying")

    def stop(self) -> None:
        """Stop everything; workers first, so that each leaves its datum properly.

        Takes a few seconds at the most; what has not ended by then is killed.
        """
        self._running = None
        self._teardown.close()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            with _undisturbed():
                self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        ex: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with _undisturbed():
            self.stop()

    def _choose_ports(self) -> tuple[int, int]:
        if self._port is None:
            return free_ports()
        ports = self._port, self._port + 1
        for port in ports:
            require_free(port)
        return ports

    def _start_postgres(self) -> str:
        """Start the embedded server, unless the environment names another one."""
        if url := os.environ.get("FALCONERI_DATABASE_URL"):
            return url
        self._parts.append(keeper := PostgresKeeper(self.state.postgres))
        self._teardown.callback(keeper.stop)
        return keeper.start()

    def _server_url(self, database_url: str) -> str:
        """As whom falconerid works: the embedded server's owner is for migrations only.

        In a database that the environment names, its user, unless it names another for this.
        """
        if os.environ.get("FALCONERI_DATABASE_URL"):
            return os.environ.get("FALCONERI_SERVER_DATABASE_URL") or database_url
        url = urlsplit(database_url)
        login = f"{DATABASE_USER}:{self.state.database_password()}"  # of base64url's letters
        return url._replace(netloc=f"{login}@{url.hostname}:{url.port}").geturl()

    def _environment(self, running: RunningStack, port: int, wait_port: int) -> dict[str, str]:
        inherited = {k: v for k, v in os.environ.items() if k != "FALCONERI_PASSWORD"}
        return inherited | {
            "FALCONERI_CLUSTER": "local",
            "FALCONERI_DATABASE_URL": self._server_url(running.database_url),
            "FALCONERI_LISTEN_HOST": HOST,
            "FALCONERI_LOCAL_SLOTS": str(self._workers),
            "FALCONERI_PASSWORD_FILE": str(self.state.password_file),
            "FALCONERI_PORT": str(port),
            "FALCONERI_STATE": str(self.state.path),
            "FALCONERI_URL": running.url,
            "FALCONERI_WAIT_PORT": str(wait_port),
            "FALCONERI_WAIT_URL": running.wait_url,
        }

    def _migrate(self, running: RunningStack, environment: dict[str, str]) -> None:
        """Migrate as the owner, which gives falconerid its user and its rights."""
        server_url = environment["FALCONERI_DATABASE_URL"]
        urls = {"FALCONERI_DATABASE_URL": running.database_url}
        if server_url != running.database_url:
            urls["FALCONERI_SERVER_DATABASE_URL"] = server_url
        answer = subprocess.run(
            _daemon("migrate"),
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            env=environment | urls,
            cwd=self.state.path,
            stdin=subprocess.DEVNULL,
        )
        if answer.returncode != 0:
            lines = answer.stderr.strip().splitlines()
            raise StackFailed("the database cannot be migrated", log_lines=lines[-5:])

    def _start_falconerid(
        self, name: str, environment: dict[str, str], stop_s: float
    ) -> Supervised:
        log = self.state.logs / f"{name}.log"
        if log.exists():
            log.replace(log.with_suffix(".log.1"))
        process = Supervised(
            f"falconerid {name}", _daemon(name), env=environment, cwd=self.state.path, log=log
        )
        self._parts.append(process)
        self._teardown.callback(process.stop, stop_s)
        process.start()
        return process

    def _wait_until_ready(self, serve: Supervised, port: int) -> None:
        deadline = time.monotonic() + _READY_LIMIT_S
        while not is_healthy(port):
            for part in self._parts:
                if part.deaths:  # a port or a setting: trying again would not help
                    raise _failed(part, "did not start")
            if time.monotonic() > deadline:
                raise _failed(serve, f"is not ready in {_READY_LIMIT_S:.0f} s")
            time.sleep(_POLL_S)


def _failed(part: Supervised | PostgresKeeper, what: str) -> StackFailed:
    return StackFailed(
        f"{part.name} {what}",
        detail=f"its log is {part.log}",
        log_lines=part.log_tail(),
    )


def _daemon(command: str) -> list[str]:
    # -P: a module in the current directory must not stand in for one of ours.
    return [sys.executable, "-P", "-m", "falconeri.daemon", command]


@contextlib.contextmanager
def _alone(state: LocalState) -> Generator[None]:
    """Hold the state directory's lock.

    Raises:
        StackAlreadyUp: Another process holds it.
    """
    with state.lock_file.open("a") as lock:
        deadline = time.monotonic() + _LOCK_PATIENCE_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as ex:
                if time.monotonic() > deadline:
                    raise _already_up(state) from ex
                time.sleep(_POLL_S)
        yield


def _already_up(state: LocalState) -> StackAlreadyUp:
    stack = state.running_stack()
    where = f"at {stack.url} (process {stack.pid})" if stack else "and is just starting or stopping"
    return StackAlreadyUp(
        f"a local stack is already up in {state.path}",
        detail=where,
        hint="`falconeri local down` stops it",
    )


@contextlib.contextmanager
def _undisturbed() -> Generator[None]:
    """Ignore a second Ctrl-C: what is stopping ends within seconds, and must end whole."""
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)
