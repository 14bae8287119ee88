"""A PostgreSQL server of our own on this machine, for whoever has none.

Called by the daemon's local mode, the demo and the tests. It listens on 127.0.0.1 only, asks for
a generated password, and ends when the process that started it ends, even by `kill -9`: see
`_watchdog`. Several starters with one state directory get one server; the first is its owner.
Knows nothing of Falconeri's schema.
"""

import contextlib
import fcntl
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from falconeri.local._binaries import (
    Account,
    Binaries,
    PostgresUnavailable,
    find_binaries,
    server_account,
)
from falconeri.local._datadir import (
    SUPERUSER,
    StateDirectory,
    initialise,
    prepare,
    server_environment,
)

__all__ = ["Address", "PostgresUnavailable", "Server", "find_running"]

_HOST = "127.0.0.1"  # not localhost, which may be ::1 first
_START_LIMIT_S = 120.0  # a crashed server replays its log first
_STOP_LIMIT_S = 60.0  # the watchdog stops being gentle after 30 s
_POLL_S = 0.01
_PORT_TRIES = 3
_WATCHDOG = Path(__file__).with_name("_watchdog.py")
_SETTINGS = {
    "listen_addresses": _HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "jit": "off",  # every query is short
    "wal_level": "minimal",  # nobody replicates it
    "max_wal_senders": "0",
    "log_timezone": "UTC",
    "timezone": "UTC",
}
_FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a server listens, and how its superuser logs in."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    dbname: str

    @property
    def url(self) -> str:
        """All of it as `postgresql://user:password@host:port/dbname`."""
        login = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"
        return f"postgresql://{login}@{self.host}:{self.port}/{quote(self.dbname, safe='')}"


def find_running(state: Path) -> Address | None:
    """Return the address of the server of a state directory if it is ready, else None.

    Raises:
        PostgresUnavailable: The directory is another user's.
    """
    directory = StateDirectory(state.resolve())
    try:
        port = directory.ready_port()
        return None if port is None else _address(directory, port)
    except OSError as ex:
        raise PostgresUnavailable(f"{state} cannot be used: {ex}") from ex


class Server:
    """A running local server, started by this object (its owner) or found running.

    The owner keeps it alive by an open pipe; children made by `os.fork` without `exec` keep it
    too. As a context manager it stops at the end of the block.
    """

    def __init__(self, address: Address, process: "_Process | None") -> None:
        self.address = address
        self._process = process

    @classmethod
    def start(cls, state: Path, *, durable: bool = True, port: int | None = None) -> Self:
        """Return the ready server of a state directory, starting it if it doesn't run.

        The first start makes the directory and the data in it, in about a second.

        Args:
            state: Where its data, password and log are kept; one server for each.
            durable: Whether what was committed survives a crash of the machine. False makes
                commits cheap, for tests. Without effect on a server that runs already.
            port: The TCP port; any free one if None. Without effect as above.

        Raises:
            PostgresUnavailable: No binaries, no permission, or the server doesn't start.
        """
        directory = StateDirectory(state.resolve())
        try:
            account = server_account()
            prepare(directory, account)
            with directory.locked():
                if (found := _wait_while_running(directory)) is not None:
                    return cls(_address(directory, found), None)
                binaries = find_binaries(directory.path, account)
                initialise(directory, binaries, account, durable=durable)
                directory.remove_stale_pid_file()
                process = _start(directory, binaries, account, durable=durable, port=port)
                return cls(_address(directory, process.port), process)
        except OSError as ex:
            raise PostgresUnavailable(f"{state} cannot be used for PostgreSQL: {ex}") from ex

    @property
    def url(self) -> str:
        """The address as a URL, password included."""
        return self.address.url

    @property
    def owner(self) -> bool:
        """Whether this object started the server and has not stopped it."""
        return self._process is not None

    def stop(self) -> None:
        """Stop the server if this object started it (sessions are ended); else do nothing.

        Raises:
            PostgresUnavailable: It hasn't ended after a minute.
        """
        process, self._process = self._process, None
        if process is not None:
            process.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


class _PortTaken(PostgresUnavailable):
    """Somebody else listens on the port."""


class _Process:
    """The watchdog of a server, and the pipe that keeps both alive."""

    def __init__(
        self, directory: StateDirectory, argv: list[str], account: Account | None, port: int
    ) -> None:
        self.port = port
        self._directory = directory
        if directory.log.exists():
            directory.log.rename(directory.log.with_suffix(".log.1"))
        owner_read, self._pipe = os.pipe()
        try:
            with directory.log.open("wb") as log, directory.running.open("a") as running:
                fcntl.flock(running, fcntl.LOCK_EX)
                whom = [str(account.uid), str(account.gid)] if account else ["-", "-"]
                fds = [owner_read, running.fileno()]
                self._watchdog = subprocess.Popen(
                    [sys.executable, "-I", "-S", str(_WATCHDOG), *map(str, fds), *whom, *argv],
                    pass_fds=fds,
                    env=server_environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,  # a Ctrl-C is the owner's to handle
                )
        except BaseException:
            os.close(self._pipe)
            raise
        finally:
            os.close(owner_read)

    def wait_until_ready(self) -> None:
        """Return once the server answers.

        Raises:
            PostgresUnavailable: It ended instead, or takes too long.
        """
        deadline = time.monotonic() + _START_LIMIT_S
        while self._directory.ready_port() is None:
            if self._watchdog.poll() is not None:
                raise self._failure()
            if time.monotonic() > deadline:
                raise PostgresUnavailable(
                    f"PostgreSQL isn't ready in {_START_LIMIT_S:.0f} s: see {self._directory.log}"
                )
            time.sleep(_POLL_S)

    def stop(self) -> None:
        os.close(self._pipe)
        try:
            self._watchdog.wait(_STOP_LIMIT_S)
        except subprocess.TimeoutExpired as ex:
            raise PostgresUnavailable(
                f"PostgreSQL hasn't stopped after {_STOP_LIMIT_S:.0f} s: see {self._directory.log}"
            ) from ex

    def _failure(self) -> PostgresUnavailable:
        lines = self._directory.log.read_text(errors="replace").splitlines()
        if any("could not bind" in line for line in lines):
            return _PortTaken(f"port {self.port} of {_HOST} is in use: choose another, or none")
        said = next((line for line in reversed(lines) if "FATAL" in line), (lines or [""])[-1])
        return PostgresUnavailable(f"PostgreSQL didn't start: {said} (see {self._directory.log})")


def _start(
    directory: StateDirectory,
    binaries: Binaries,
    account: Account | None,
    *,
    durable: bool,
    port: int | None,
) -> _Process:
    """Start the server, on another free port if somebody was quicker to take the first."""
    settings = _SETTINGS if durable else _SETTINGS | _FORGETFUL
    for tries_left in reversed(range(_PORT_TRIES)):
        chosen = port or _free_port()
        argv = [str(binaries.folder / "postgres"), "-D", str(directory.data), "-p", str(chosen)]
        argv += [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        process = _Process(directory, argv, account, chosen)
        try:
            process.wait_until_ready()
        except _PortTaken:
            process.stop()
            if port or not tries_left:
                raise
        except BaseException:
            process.stop()
            raise
        else:
            return process
    raise AssertionError  # the last try has returned or raised


def _wait_while_running(directory: StateDirectory) -> int | None:
    """Return the port of a running server once it is ready; None once there is none.

    Nobody is starting one now: one that isn't ready is stopping, or has lost its starter.
    """
    deadline = time.monotonic() + _START_LIMIT_S
    while directory.server_runs():
        if (port := directory.ready_port()) is not None:
            return port
        if time.monotonic() > deadline:
            raise PostgresUnavailable(
                f"a PostgreSQL in {directory.path} neither gets ready nor ends: see {directory.log}"
            )
        time.sleep(_POLL_S)
    return None


def _address(directory: StateDirectory, port: int) -> Address:
    password = directory.password.read_text()
    return Address(host=_HOST, port=port, user=SUPERUSER, password=password, dbname="postgres")


def _free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])
