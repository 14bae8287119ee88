"""An API server, a client of it, and somebody to whom an installation tells nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from falconeri.kube.api import KubeApi
from tests.kube.cluster import FakeKubernetes

NOBODY: Callable[[str], None] = lambda _line: None  # noqa: E731


@pytest.fixture
def kube(tmp_path: Path) -> Iterator[FakeKubernetes]:
    with FakeKubernetes(tmp_path / "cluster") as cluster:
        yield cluster


@pytest.fixture
def api(kube: FakeKubernetes) -> KubeApi:
    return KubeApi(kube.client(), kube.namespace)
