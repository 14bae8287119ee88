"""Makes a test's cluster that of the kubeconfig file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kube.cluster import FakeKubernetes


def use_kubeconfig(kube: FakeKubernetes, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a person does whose settings are in a file of another name."""
    monkeypatch.setenv("KUBECONFIG", str(kube.write_kubeconfig(folder / "kubeconfig")))
