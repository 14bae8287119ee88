from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kube.cluster import FakeKubernetes
from tests.kube.waiting import Apis


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[FakeKubernetes]:
    """A cluster without controllers: what is stored stays as it is."""
    with FakeKubernetes(tmp_path / "nodes", run=False) as kube:
        yield kube


@pytest.fixture
def kube(tmp_path: Path) -> Iterator[FakeKubernetes]:
    """A cluster that runs what it is given."""
    with FakeKubernetes(tmp_path / "nodes") as kube:
        yield kube


@pytest.fixture
def apis(kube: FakeKubernetes) -> Iterator[Apis]:
    """An administrator's clients of the running cluster."""
    with kube.client() as api:
        yield Apis.of(api)


@pytest.fixture
def stored_apis(stored: FakeKubernetes) -> Iterator[Apis]:
    """The same of the one that only stores."""
    with stored.client() as api:
        yield Apis.of(api)
