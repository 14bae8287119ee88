"""A pod finds its cluster: by its service account's files, whose token is replaced now and then."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from kubernetes.config import incluster_config

from falconeri.errors import FalconeriError, InvalidArgument
from falconeri.kube import connecting
from falconeri.kube.api import KubeApi
from tests.kube.cluster import FakeKubernetes
from tests.kube.tls import tls_before


@pytest.fixture
def token_file(
    stored: FakeKubernetes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """The token of the pod that this process is for a while, in the namespace `team-a`."""
    token, namespace = tmp_path / "token", tmp_path / "namespace"
    token.write_text(stored.access.admin_token)
    namespace.write_text("team-a\n")
    with tls_before(int(stored.url.rpartition(":")[2]), tmp_path) as (port, authority):
        monkeypatch.delenv("KUBECONFIG", raising=False)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(port))
        monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(token))
        monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(authority))
        monkeypatch.setattr(connecting, "_NAMESPACE_FILE", namespace)
        yield token


@pytest.mark.usefixtures("token_file")
def test_a_pod_speaks_to_its_own_cluster_in_its_own_namespace() -> None:
    with closing(KubeApi.connect()) as api:
        assert api.namespace == "team-a"
        assert api.url.startswith("https://127.0.0.1:")
        assert api.list("Pod") == []


def test_a_token_that_was_replaced_is_read_again(
    token_file: Path, stored: FakeKubernetes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(KubeApi.connect()) as api:
        assert api.list("Pod") == []
        stored.access.admin_token = "another"
        token_file.write_text("another")
        with pytest.raises(FalconeriError):  # it is looked at each minute only
            api.list("Pod")

        later = dt.datetime.now() + dt.timedelta(minutes=2)  # noqa: DTZ005 - as there

        class Later(dt.datetime):
            @classmethod
            def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:  # type: ignore[override]
                del tz
                return later

        monkeypatch.setattr("kubernetes.config.incluster_config.datetime.datetime", Later)

        assert api.list("Pod") == []


def test_a_pod_without_a_token_is_told_what_it_lacks(token_file: Path) -> None:
    token_file.unlink()

    with pytest.raises(InvalidArgument) as caught:
        KubeApi.connect()
    assert "Service token file" in str(caught.value.detail)
    assert "service account" in str(caught.value.hint)


@pytest.mark.usefixtures("token_file")
def test_a_kubeconfig_file_that_is_named_comes_before_the_pods_own_account(
    stored: FakeKubernetes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(stored.write_kubeconfig(tmp_path / "kubeconfig")))

    with closing(KubeApi.connect()) as api:
        assert (api.url, api.namespace) == (stored.url, "default")
