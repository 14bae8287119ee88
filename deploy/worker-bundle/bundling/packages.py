"""What Python runs in the bundle: the worker, the part of falconeri it stands on, and packages.

Called by `build`. What is left out here is not missed: `falconeri-worker --self-test` imports
every module of ours and opens a store of each kind.
"""

from __future__ import annotations

import compileall
import gzip
import py_compile
import shutil
from collections.abc import Sequence
from pathlib import Path

from bundling import tools
from bundling.tools import BuildError

FOLDER = Path(__file__).resolve().parents[1]
CHECKOUT = FOLDER.parents[1]
AT = "/falconeri"
"""Where a pod has the bundle; only what tracebacks call the files depends on it."""

_OTHERS = ("babysitter", "cluster", "daemon.py", "db", "local", "pipeline", "server")
"""The parts of falconeri that no worker imports."""

_SERVICES = ("s3", "signin", "sso", "sso-oidc", "sts")
"""Amazon's that the worker uses: the store, and what gives a pod its credentials."""

_TRIMMED = (
    *("bin", ".lock", "cffi", "botocore/cacert.pem", "boto3/dynamodb", "boto3/ec2"),
    *("boto3/examples", "dateutil/zoneinfo", "google/api", "google/gapic", "google/logging"),
    *("google/longrunning", "google/type", "google/_async_resumable_media"),
    *("google/api_core/gapic_v1", "google/api_core/operations_v1", "google/cloud/_storage_v2"),
    *("google/cloud/storage_v2", "google/cloud/storage/asyncio", "google/cloud/_testing"),
)
"""What the packages bring beside that: build tools, other services, other transports, texts."""

_SUFFIXES_TRIMMED = (".pyi", ".pxd", ".pyx", ".c", ".h", ".proto")
_INSTALLERS_NOTES = (
    "INSTALLER",
    "RECORD",
    "REQUESTED",
    "WHEEL",
    "direct_url.json",
    "uv_cache.json",
)


def install(to: Path, locks: Sequence[str]) -> None:
    """Fill the directory `app` of a bundle.

    Args:
        to: The bundle.
        locks: Which of this folder's lock files.

    Raises:
        BuildError: Not a checkout, or the packages can't be had.
    """
    app = to / "app"
    for lock in locks:
        tools.install_packages(FOLDER / lock, app)
    for name in _TRIMMED:
        _remove(app / name)
    for service in _others_of(app / "botocore" / "data") + _others_of(app / "boto3" / "data"):
        shutil.rmtree(service)
    for file in [path for path in app.rglob("*") if path.is_file()]:
        noted = file.parent.suffix == ".dist-info" and file.name in _INSTALLERS_NOTES
        if noted or file.suffix in _SUFFIXES_TRIMMED or "__pycache__" in file.parts:
            file.unlink()
    _compress(app / "botocore" / "data" / "endpoints.json")
    for source in (CHECKOUT / "falconeri", CHECKOUT / "worker" / "falconeri_worker"):
        if not source.is_dir():
            raise BuildError(f"{source} is needed: build from a checkout of falconeri")
        shutil.copytree(source, app / source.name, ignore=_others)
    shutil.copy(FOLDER / "start.py", app)


def _others(folder: str, names: list[str]) -> list[str]:
    left_out = ("__pycache__", *(_OTHERS if Path(folder).name == "falconeri" else ()))
    return [name for name in names if name in left_out]


def _others_of(data: Path) -> list[Path]:
    return [each for each in data.iterdir() if each.is_dir() and each.name not in _SERVICES]


def _compress(file: Path) -> None:
    """Make a tenth of a megabyte of text: botocore reads either, as for its other data."""
    if file.exists():
        Path(f"{file}.gz").write_bytes(gzip.compress(file.read_bytes(), mtime=0))
        file.unlink()


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def compile_all(to: Path, stdlib: Path) -> None:
    """Compile the modules, and keep the sources of ours only, for the lines of tracebacks.

    Nothing of it looks at the age of a source: to copy the bundle changes that.
    """
    app = to / "app"
    ours = [app / "falconeri", app / "falconeri_worker"]
    others = [each for each in app.iterdir() if each not in ours and each.name != "start.py"]
    _compile([to / stdlib, *others], to, beside=True)
    _compile(ours, to, beside=False)


def _compile(paths: Sequence[Path], root: Path, *, beside: bool) -> None:
    for path in paths:
        compile_ = compileall.compile_dir if path.is_dir() else compileall.compile_file
        compile_(
            path,
            stripdir=str(root),
            prependdir=AT,
            quiet=2,
            legacy=beside,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
        if beside:
            for source in path.rglob("*.py") if path.is_dir() else [path]:
                if source.with_suffix(".pyc").exists():
                    source.unlink()
