"""Where the peers come from: what can't be had is left out with a reason."""

import tarfile
from pathlib import Path

import pytest

from benchmarks import _registry as registry
from benchmarks._registry import Package, Unavailable

ANOTHER_SHA256 = "0" * 64


def npm_that_packs(folder: Path) -> None:
    """Put a program `npm` into the folder that leaves an archive where it is run."""
    (folder / "package").mkdir()
    with tarfile.open(folder / "peer-1.0.tgz", "w:gz") as archive:
        archive.add(folder / "package", "package")
    npm = folder / "npm"
    npm.write_text(f"#!/bin/sh\ncp '{folder}/peer-1.0.tgz' .\n")
    npm.chmod(0o755)


def test_archive_with_another_hash_is_refused_and_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    npm_that_packs(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(registry, "_CACHE", tmp_path / "cache")

    with pytest.raises(Unavailable, match=r"peer-1\.0\.tgz has the SHA-256"):
        registry.fetch_npm(Package("peer", "1.0", ANOTHER_SHA256))

    assert list((tmp_path / "cache").iterdir()) == []


def test_missing_client_of_a_registry_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="'no-such-client' isn't installed"):
        registry.run(["no-such-client"], cwd=tmp_path)


def test_failing_client_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="'sh' failed: no network"):
        registry.run(["sh", "-c", "echo no network >&2; exit 1"], cwd=tmp_path)
