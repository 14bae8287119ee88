"""What tests of migrations share."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from falconeri.db import migrate
from falconeri.resources import sql_root


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of sql/ that a test may change."""
    copy = tmp_path / "sql"
    shutil.copytree(sql_root(), copy)
    monkeypatch.setattr(migrate, "sql_root", lambda: copy)
    return copy
