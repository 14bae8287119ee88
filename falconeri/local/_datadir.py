"""The state directory of a local PostgreSQL: makes it, and reads what the server says there.

    lock          held (flock) while somebody starts a server
    running       held (flock) by every process of the server: it runs exactly as long
    password      of the superuser, mode 0600, for the owner of the directory only
    pgdata/       PostgreSQL's own
    postgres.log  of the present or last run; postgres.log.1 of the one before
    binaries-*/   see `falconeri.local._binaries`

Called by `falconeri.local.postgres` alone.
"""

import contextlib
import fcntl
import os
import pwd
import secrets
import shutil
import socket
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from falconeri.local._binaries import REMEDY, Account, Binaries, PostgresUnavailable, run_as

SUPERUSER = "postgres"

# Lines of a postmaster.pid: process id, data directory, start time, port, socket folder, address,
# shared memory, status.
_FULL = 8


@dataclass(frozen=True)
class StateDirectory:
    """Names of the files in a state directory."""

    path: Path

    @property
    def data(self) -> Path:
        """PostgreSQL's data directory."""
        return self.path / "pgdata"

    @property
    def password(self) -> Path:
        """The file with the superuser's password."""
        return self.path / "password"

    @property
    def log(self) -> Path:
        """What the server of the present or last run wrote."""
        return self.path / "postgres.log"

    @property
    def running(self) -> Path:
        """The file that is locked exactly as long as the server runs."""
        return self.path / "running"

    @contextlib.contextmanager
    def locked(self) -> Generator[None]:
        """Wait until nobody else is starting a server here, then keep others from it."""
        with (self.path / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def server_runs(self) -> bool:
        """Say whether any process of a server is alive, ready or not."""
        try:
            running = self.running.open()
        except FileNotFoundError:
            return False
        with running:
            try:
                fcntl.flock(running, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False

    def ready_port(self) -> int | None:
        """Return the port of the server if it answers; None while it starts, stops or is away.

        What a crashed server left in postmaster.pid counts as nothing: its lock is gone.
        """
        if not self.server_runs():
            return None
        lines = self._pid_file_lines()
        return int(lines[3]) if len(lines) >= _FULL and lines[7].strip() == "ready" else None

    def remove_stale_pid_file(self) -> None:
        """Remove what a crashed server left, since its process id may be another's by now.

        Only valid while no server of ours runs.

        Raises:
            PostgresUnavailable: Another program than Falconeri has started a server here.
        """
        lines = self._pid_file_lines()
        if len(lines) >= _FULL and _is_alive(int(lines[0])) and _answers(int(lines[3])):
            raise PostgresUnavailable(
                f"process {lines[0]} already serves {self.data} and isn't ours: stop it, {REMEDY}"
            )
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _pid_file_lines(self) -> list[str]:
        try:
            return (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []


def prepare(state: StateDirectory, account: Account | None) -> None:
    """Make the directory, and be sure that the server's account can enter it.

    Raises:
        PostgresUnavailable: It can't, because of a parent directory.
    """
    if not state.path.exists():
        state.path.mkdir(mode=0o700, parents=True)
        if account is not None:
            state.path.chmod(0o711)
    if account is None:
        return
    probe = run_as(account, ["/bin/sh", "-c", 'cd -- "$1"', "sh", str(state.path)])
    if probe.returncode != 0:
        raise PostgresUnavailable(
            f"started by root, PostgreSQL runs as the user '{account.name}', who cannot enter "
            f"{state.path}: choose a directory that all may enter, as in /var/lib, {REMEDY}"
        )


def initialise(
    state: StateDirectory, binaries: Binaries, account: Account | None, *, durable: bool
) -> None:
    """Make the data directory and its superuser with a new password, unless they exist.

    Raises:
        PostgresUnavailable: initdb failed, or the data is of another major version.
    """
    version_file = state.data / "PG_VERSION"
    if version_file.exists():
        found = version_file.read_text().strip()
        if found != str(binaries.major):
            raise PostgresUnavailable(
                f"{state.data} was made by PostgreSQL {found}, and this is {binaries.major}: "
                f"move it away to begin anew, {REMEDY}"
            )
        return
    _require_a_name()
    unfinished = state.path / "pgdata.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    password = secrets.token_urlsafe(24)
    _write_private(state.password, password, None)
    for_initdb = state.path / "password.initdb"
    _write_private(for_initdb, password, account)
    if account is not None:
        os.chown(unfinished, account.uid, account.gid)
    try:
        _initdb(unfinished, for_initdb, binaries, account, durable=durable)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    finally:
        for_initdb.unlink()
    unfinished.rename(state.data)


def server_environment() -> dict[str, str]:
    """Return this process's environment without what would change a server's behaviour."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return kept | {"LC_ALL": "C"}  # English messages; and on macOS the server insists on one


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except OSError:
        return False
    return True


def _initdb(
    data: Path, password: Path, binaries: Binaries, account: Account | None, *, durable: bool
) -> None:
    argv = [str(binaries.folder / "initdb"), "-D", str(data), "-U", SUPERUSER, "-E", "UTF8"]
    argv += ["--auth=scram-sha-256", f"--pwfile={password}", "--no-instructions"]
    if not durable:
        argv.append("--no-sync")
    for locale in ("--locale=C.UTF-8", "--no-locale"):  # not every system has C.UTF-8
        answer = run_as(account, [*argv, locale], env=server_environment())
        if answer.returncode == 0:
            return
        if "invalid locale" not in answer.stderr:
            break
    lines = answer.stderr.strip().splitlines() or ["no message"]
    said = next((line for line in lines if "error" in line or "FATAL" in line), lines[-1])
    raise PostgresUnavailable(f"PostgreSQL's initdb failed: {said}")


def _require_a_name() -> None:
    """Initdb asks the system for its user's name, and gives up without one."""
    uid = os.geteuid()
    try:
        pwd.getpwuid(uid)
    except KeyError as ex:
        raise PostgresUnavailable(
            f"the user id {uid} has no name on this system (no line in /etc/passwd), and "
            f"PostgreSQL's initdb needs one: run as a user with a name, {REMEDY}"
        ) from ex


def _write_private(path: Path, content: str, owner: Account | None) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        if owner is not None:
            os.fchown(file.fileno(), owner.uid, owner.gid)
        file.write(content)
