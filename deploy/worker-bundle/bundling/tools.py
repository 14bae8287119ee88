"""The programs that the build needs, found or brought, and one way to run them.

Called by all other steps; knows nothing of what they build.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_UNWANTED = (
    *("PIP_CONSTRAINT", "PIP_NO_BINARY", "PIP_PREFIX", "PIP_PYTHON", "PIP_REQUIRE_VIRTUALENV"),
    *("PIP_ROOT", "PIP_TARGET", "PIP_USER", "UV_CONSTRAINT", "UV_EXCLUDE_NEWER", "UV_NO_BINARY"),
    *("UV_OVERRIDE", "UV_PYTHON", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH"),
)
"""A person's settings that would send the packages elsewhere, or refuse ours."""


class BuildError(Exception):
    """Why no bundle can be made, and what to do: one line."""


def run(argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None) -> str:
    """Run a program; return what it prints.

    Raises:
        BuildError: It failed; with the last line that it printed.
    """
    kept = {name: value for name, value in os.environ.items() if name not in _UNWANTED}
    try:
        done = subprocess.run(
            argv,
            env=kept | dict(env or {}),
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
    except OSError as ex:
        raise BuildError(f"{argv[0]} can't be run: {ex.strerror}") from ex
    if done.returncode != 0:
        lines = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()
        told = next((line for line in lines if "error" in line.lower()), lines[-1]).strip()
        raise BuildError(f"{Path(argv[0]).name} failed: {told}")
    return done.stdout


def compiler() -> tuple[str, ...]:
    """Return how to call a C compiler; on Debian, root gets one if there is none.

    Raises:
        BuildError: There is none.
    """
    if wanted := os.environ.get("CC"):
        return tuple(wanted.split())
    return (_program("gcc", "cc", "clang"),)


def strip() -> str:
    """Return the program that takes symbols away.

    Raises:
        BuildError: There is none.
    """
    return _program("strip", "llvm-strip")


def _program(*names: str) -> str:
    if (found := _which(names)) is None and _can_install():
        print("installing gcc ...", file=sys.stderr, flush=True)
        environment = {"DEBIAN_FRONTEND": "noninteractive"}
        run(["apt-get", "-qq", "update"], env=environment)
        run(["apt-get", "-qq", "install", "-y", "--no-install-recommends", "gcc"], env=environment)
        found = _which(names)
    if found is None:
        raise BuildError(f"{names[0]} is needed: install a C compiler (Debian: gcc)")
    return found


def _which(names: Sequence[str]) -> str | None:
    return next((found for name in names if (found := shutil.which(name))), None)


def _can_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install_packages(lock: Path, to: Path) -> None:
    """Put the packages of a lock file into a directory: exactly those, as wheels.

    Raises:
        BuildError: No installer, no network, or no wheel for this Python.
    """
    choices = ("--target", to, "--no-deps", "--require-hashes", "-r", lock)
    if uv := shutil.which("uv") or _beside_python("uv"):
        # Copies: the files get changed, and links would lead into the cache.
        copies = ("--no-build", "--link-mode", "copy", "--python", sys.executable)
        run([uv, "pip", "install", *copies, *choices])
        return
    pip = [sys.executable, "-m", "pip"]
    try:
        run([*pip, "--version"])
    except BuildError:
        if not (found := shutil.which("pip3") or shutil.which("pip")):
            raise BuildError("pip is needed: install it (Debian: python3-pip), or uv") from None
        pip = [found, "--python", sys.executable]
    flags = ("--no-compile", "--only-binary", ":all:", "--no-input", "--disable-pip-version-check")
    run([*pip, "install", *flags, *choices])


def _beside_python(name: str) -> str | None:
    program = Path(sys.executable).with_name(name)
    return str(program) if program.exists() else None
