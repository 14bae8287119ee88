"""The directory that the build makes, and when it makes none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.transfers.first_request import bare_start_s, first_request_s
from tests.bundle.conftest import BUILD, ROOT

GOAL_BYTES = 60_000_000


def run(*argv: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)


def build(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, BUILD, *arguments)


def test_bundle_is_small_and_may_be_read_by_everyone(bundle: Path) -> None:
    found = [path.lstat() for path in bundle.rglob("*")]
    assert sum(each.st_blocks * 512 for each in found) < GOAL_BYTES
    assert all(each.st_mode & 0o044 == 0o044 for each in found)
    assert not any(each.st_mode & 0o022 for each in found)


def test_bundle_works_in_any_place_and_from_any_directory(bundle: Path, tmp_path: Path) -> None:
    place = tmp_path / "with a space"
    shutil.copytree(bundle, place)
    link = tmp_path / "link"
    link.symlink_to(place / "falconeri-worker")

    assert run(link, "--version").stdout.startswith("falconeri-worker ")


def test_bundle_writes_nothing_into_itself(bundle: Path) -> None:
    def files() -> Sequence[Path]:
        return sorted(bundle.rglob("*"))

    before = files()
    assert run(bundle / "falconeri-worker", "--self-test").returncode == 0
    assert files() == before


def test_licences_of_what_is_carried_are_in_the_bundle(bundle: Path) -> None:
    texts = [path.read_text() for path in (bundle / "licences").iterdir() if path.is_file()]
    packages = list((bundle / "app").glob("*.dist-info"))

    assert any("PYTHON SOFTWARE FOUNDATION LICENSE" in text for text in texts)
    assert (bundle / "licences" / "falconeri").read_text() == (ROOT / "LICENSE").read_text()
    assert packages
    assert [each.name for each in packages if not list(each.rglob("LICEN[CS]E*"))] == []


@pytest.mark.skipif(not shutil.which("dpkg-query"), reason="Debian's are found by dpkg-query")
def test_licence_of_libc_is_there_with_its_version(bundle: Path) -> None:
    licences = bundle / "licences"
    versions = (licences / "VERSIONS").read_text()

    (line,) = (line for line in versions.splitlines() if ", source glibc " in line)
    package = line.partition(" ")[0].partition(":")[0]
    assert "GNU Lesser General Public" in (licences / package).read_text()
    assert "GNU LESSER" in (licences / "common-licenses" / "LGPL-2.1").read_text()


def test_build_names_the_libraries_whose_licences_it_has_not(tmp_path: Path) -> None:
    library = tmp_path / "libown.so.1"
    library.touch()
    script = (
        "import sys; from pathlib import Path; from bundling import licences\n"
        "licences.add(Path(sys.argv[1]), [Path(sys.argv[2])])"
    )

    done = subprocess.run(
        [sys.executable, "-B", "-c", script, tmp_path, library],
        cwd=BUILD.parent,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stderr.startswith("Not in licences, as they are of no Debian package: ")
    assert "libown.so.1" in done.stderr


def test_the_benchmark_sees_the_first_request(bundle: Path, tmp_path: Path) -> None:
    assert 0 < bare_start_s(bundle) < first_request_s(bundle, tmp_path)


def test_start_program_says_what_it_cannot_start(bundle: Path, tmp_path: Path) -> None:
    alone = tmp_path / "falconeri-worker"
    shutil.copy(bundle / "falconeri-worker", alone)

    done = run(alone, "--version")

    assert done.returncode == 127
    assert done.stderr.startswith(f"falconeri-worker: cannot start {tmp_path}/lib/ld-linux")


def test_authority_of_ones_own_is_used_when_the_pod_names_it(bundle: Path, tmp_path: Path) -> None:
    authorities = tmp_path / "none.pem"
    authorities.touch()
    argv = [bundle / "falconeri-worker", "--self-test"]
    environment = os.environ | {"FALCONERI_CA_FILE": str(authorities)}

    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "FAILED certificates: " in done.stdout


def test_build_leaves_a_directory_that_is_no_bundle_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()

    done = build("--out", tmp_path)

    assert done.returncode == 1
    assert done.stderr == f"Error: {tmp_path} is in the way: it exists and is no bundle\n"
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_build_says_where_a_bundle_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    done = build("--out", tmp_path / "file" / "bundle")

    assert done.returncode == 1
    assert done.stderr == f"Error: {tmp_path}/file/bundle can't be made: File exists\n"
