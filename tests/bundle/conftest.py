"""The bundle and the images, kept in `.bundle/` until what they are made of changes."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator, Iterable
from pathlib import Path

import pytest

from tests.bundle import images as image
from tests.databases import fresh_database
from tests.s3_server import s3_server
from tests.server.falconerid import Falconerid, running

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "deploy" / "worker-bundle" / "build.py"

_CACHE = ROOT / ".bundle"
_OF_THE_BUNDLE = ("falconeri", "worker", "deploy/worker-bundle")
_KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIATEST",
    "AWS_SECRET_ACCESS_KEY": "hush",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@pytest.fixture(scope="session")
def bundle() -> Path:
    """A bundle of this checkout."""
    if sys.platform != "linux":
        pytest.skip("a bundle is built on Linux")
    files = [path for top in _OF_THE_BUNDLE for path in (ROOT / top).rglob("*")]

    def build(to: Path) -> None:
        subprocess.run([sys.executable, BUILD, "--out", to], check=True)

    return _kept("bundle", (path for path in files if "__pycache__" not in path.parts), build)


@pytest.fixture(scope="session")
def images() -> Path:
    """A directory with the root of each image."""
    if missing := image.what_is_missing():
        # Elsewhere it is said and that's it; CI must be able to.
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(missing)
    return _kept("images", Path(__file__).parent.iterdir(), image.make_all)


@pytest.fixture(scope="session")
def store() -> Generator[dict[str, str]]:
    """The settings of an S3 server."""
    with s3_server() as url:
        yield _KEYS | {"AWS_ENDPOINT_URL": url}


@pytest.fixture(scope="session")
def falconerid(
    store: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Generator[Falconerid]:
    """A falconerid that may list the store."""
    with fresh_database() as url, running(url, tmp_path_factory.mktemp("d"), **store) as server:
        yield server


def _kept(kind: str, made_of: Iterable[Path], make: Callable[[Path], None]) -> Path:
    """Return what was made of these files and this Python, or make it; several may ask at once."""
    digest = hashlib.sha256(f"{sys.version} {sys.base_prefix}".encode())
    for path in sorted(path for path in made_of if path.is_file() and path.suffix != ".pyc"):
        digest.update(f"{path}\0".encode() + path.read_bytes())
    place = _CACHE / f"{kind}-{digest.hexdigest()[:16]}"
    _CACHE.mkdir(exist_ok=True)
    with (_CACHE / f"{kind}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            for old in _CACHE.glob(f"{kind}-*"):
                shutil.rmtree(old)
            unfinished = _CACHE / f"{kind}-unfinished"
            make(unfinished)
            unfinished.rename(place)
    return place
