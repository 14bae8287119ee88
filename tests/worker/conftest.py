"""Places for the tests of the worker."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Bucket:
    """A directory that stands for a bucket."""

    path: Path

    @property
    def uri(self) -> str:
        return f"file://{self.path}/"

    def put(self, name: str, content: str) -> str:
        """Write a file; return its URI."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return self.uri + name

    def content(self) -> dict[str, str]:
        files = (path for path in self.path.rglob("*") if path.is_file())
        return {path.relative_to(self.path).as_posix(): path.read_text() for path in files}


def _bucket(path: Path) -> Bucket:
    path.mkdir()
    return Bucket(path)


@pytest.fixture
def source(tmp_path: Path) -> Bucket:
    return _bucket(tmp_path / "source")


@pytest.fixture
def egress(tmp_path: Path) -> Bucket:
    return _bucket(tmp_path / "egress")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (path := tmp_path / "home").mkdir()
    return path
