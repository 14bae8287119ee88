"""The state directory of a local Falconeri: what lies where, and whether a stack runs in it.

    password     of falconerid's user, mode 0600; made once
    database-password   with which falconerid logs in to the embedded PostgreSQL; the same
    stack.json   how to reach the stack that runs now, mode 0600 (`RunningStack`)
    stack.lock   held (flock) by the process that runs the stack, exactly as long as it runs
    postgres/    the embedded server's own (`falconeri.local.postgres`)
    secrets/     <name>/<key>: what a cluster would keep as secrets
    pods/        <pod name>/: the workers' directories and logs
    logs/        of falconerid's processes; *.log.1 is the run before

Called by `falconeri.local.stack`, and by the command line to find a running stack.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from falconeri.errors import FalconeriError, Unavailable
from falconeri.wire import codec


class RunningStack(msgspec.Struct, frozen=True):
    """How to reach a running stack: the content of `stack.json`."""

    pid: int
    url: str
    wait_url: str
    password: str
    database_url: str

    def __repr__(self) -> str:
        """Leave the two fields with passwords out."""
        return f"RunningStack(pid={self.pid}, url={self.url!r}, wait_url={self.wait_url!r})"


@dataclass(frozen=True)
class LocalState:
    """A state directory; it need not exist."""

    path: Path

    @property
    def password_file(self) -> Path:
        """The password of falconerid's user `falconeri`."""
        return self.path / "password"

    @property
    def database_password_file(self) -> Path:
        """The password of falconerid itself, for the embedded PostgreSQL."""
        return self.path / "database-password"

    @property
    def stack_file(self) -> Path:
        """How to reach the stack, while one is up."""
        return self.path / "stack.json"

    @property
    def lock_file(self) -> Path:
        """Locked while a stack is starting, up or stopping."""
        return self.path / "stack.lock"

    @property
    def postgres(self) -> Path:
        """The embedded PostgreSQL's state."""
        return self.path / "postgres"

    @property
    def logs(self) -> Path:
        """The logs of falconerid's processes."""
        return self.path / "logs"

    def prepare(self) -> None:
        """Make the directory and its passwords, unless they exist.

        Raises:
            Unavailable: No permission, or no space.
        """
        # As root the embedded PostgreSQL runs as another user, who has to get through.
        mode = 0o711 if os.geteuid() == 0 else 0o700
        try:
            self.path.mkdir(mode=mode, parents=True, exist_ok=True)
            self.logs.mkdir(mode=0o700, exist_ok=True)
            for file in (self.password_file, self.database_password_file):
                if not file.exists():
                    _write_private(file, secrets.token_urlsafe(24).encode())
        except OSError as ex:
            raise self._unusable(ex) from ex

    def password(self) -> str:
        """Read the password; one newline at its end doesn't count.

        Raises:
            Unavailable: It can't be read.
        """
        return self._read(self.password_file)

    def database_password(self) -> str:
        """Read falconerid's own password.

        Raises:
            Unavailable: It can't be read.
        """
        return self._read(self.database_password_file)

    def publish(self, stack: RunningStack) -> None:
        """Write `stack.json`, whole or not at all."""
        _write_private(self.stack_file, codec.encode(stack))

    def withdraw(self) -> None:
        """Remove `stack.json`."""
        self.stack_file.unlink(missing_ok=True)

    def running_stack(self) -> RunningStack | None:
        """Return how to reach the stack that is up, or None.

        What a killed stack has left behind counts as nothing: its lock is gone.

        Raises:
            Unavailable: The directory is another user's.
        """
        try:
            if not self.is_locked():
                return None
            return codec.decode(self.stack_file.read_bytes(), RunningStack)
        except FileNotFoundError:
            return None
        except OSError as ex:
            raise self._unusable(ex) from ex

    def is_locked(self) -> bool:
        """Say whether a stack is starting, up or stopping.

        Raises:
            OSError: The directory is another user's.
        """
        try:
            lock = self.lock_file.open()
        except FileNotFoundError:
            return False
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False

    def _read(self, file: Path) -> str:
        try:
            return file.read_text().removesuffix("\n")
        except OSError as ex:
            raise self._unusable(ex) from ex

    def _unusable(self, ex: OSError) -> FalconeriError:
        return Unavailable(
            f"{self.path} cannot be used",
            detail=str(ex.strerror or ex),
            hint="FALCONERI_STATE chooses another directory",
        )


def default_state(environ: Mapping[str, str] = os.environ) -> LocalState:
    """Return FALCONERI_STATE, else /var/lib/falconeri for root, else a directory of the user."""
    if chosen := environ.get("FALCONERI_STATE"):
        return LocalState(Path(chosen).absolute())
    if os.geteuid() == 0:
        return LocalState(Path("/var/lib/falconeri"))
    base = environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return LocalState(Path(base) / "falconeri")


def _write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, under its name only when it is complete."""
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
