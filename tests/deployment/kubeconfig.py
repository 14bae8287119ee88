"""Makes a test's cluster that of the kubeconfig file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kube.cluster import FakeKubernetes


def use_kubeconfig(kube: FakeKubernetes, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client has read KUBECONFIG when it was imported."""
    path = kube.write_kubeconfig(folder / "kubeconfig")
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path))
