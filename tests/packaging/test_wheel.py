"""The wheel has everything that a checkout has, and finds it where it was installed."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from falconeri.resources import deploy_root, sql_root

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel unpacked in it, as installers do."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
    )
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run(site: Path, *arguments: str) -> str:
    """Run Python with the unpacked wheel and our dependencies, away from the checkout."""
    # -P and -S: neither the current directory nor the checkout's .pth file.
    dependencies = next(path for path in sys.path if path.endswith("site-packages"))
    return subprocess.run(
        [sys.executable, "-P", "-S", *arguments],
        cwd="/",
        env=os.environ | {"PYTHONPATH": f"{site}{os.pathsep}{dependencies}"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_wheel_holds_the_three_packages_and_all_sql_and_manifests(site: Path) -> None:
    for package in ("falconeri", "worker/falconeri_worker", "cli/falconeri_cli"):
        modules = {str(p.relative_to(ROOT / package)) for p in (ROOT / package).rglob("*.py")}
        assert modules <= files_below(site / Path(package).name)
    assert files_below(site / "falconeri" / "sql") == files_below(sql_root())
    assert files_below(site / "falconeri" / "deploy") == files_below(deploy_root())


def test_nothing_of_a_wheel_is_called_worker_or_cli(site: Path) -> None:
    packages = {path.name for path in site.iterdir() if path.suffix != ".dist-info"}
    assert packages == {"falconeri", "falconeri_cli", "falconeri_worker"}


def test_installed_wheel_finds_its_own_files(site: Path) -> None:
    code = "from falconeri import resources as r; print(r.sql_root(), r.deploy_root())"
    assert run(site, "-c", code).split() == [
        str(site / "falconeri" / "sql"),
        str(site / "falconeri" / "deploy"),
    ]


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("falconeri_cli", "Run a command over the files of a bucket"),
        ("falconeri.daemon", "serve"),
        ("falconeri_worker", "Usage: falconeri-worker"),
    ],
)
def test_installed_programs_start(site: Path, module: str, words: str) -> None:
    assert words in run(site, "-m", module, "--help")
