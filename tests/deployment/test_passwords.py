"""What the command line finds in a cluster's secrets when nothing else says where to go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from falconeri.deployment import install
from falconeri.deployment.options import PRODUCTION, Options
from falconeri.deployment.secrets import values_of
from falconeri.errors import Unavailable
from falconeri.kube.api import KubeApi
from falconeri_cli import in_cluster
from falconeri_cli.connection import find
from tests.deployment.kubeconfig import use_kubeconfig
from tests.kube.cluster import FakeKubernetes

NOBODY: Callable[[str], None] = lambda _line: None  # noqa: E731


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KubeApi]:
    """A cluster that the settings of `kubectl` name."""
    with FakeKubernetes(tmp_path / "cluster", run=False) as kube:
        use_kubeconfig(kube, tmp_path, monkeypatch)
        yield KubeApi(kube.client(), kube.namespace)


def settings(tmp_path: Path, **more: str) -> dict[str, str]:
    """Those of a person whose cluster is in a kubeconfig file, and who has no local stack."""
    return {"KUBECONFIG": "set", "FALCONERI_STATE": str(tmp_path / "state"), **more}


def password_of(api: KubeApi) -> str:
    secret = api.find("Secret", "falconeri")
    assert secret is not None
    return values_of(secret)["POSTGRES_PASSWORD"]


def test_password_of_the_cluster_is_for_its_proxy(api: KubeApi, tmp_path: Path) -> None:
    install.deploy(api, PRODUCTION, skip_secrets=False, say=NOBODY)

    endpoint = find(settings(tmp_path))

    assert (endpoint.url, endpoint.password) == ("http://127.0.0.1:8089/", password_of(api))


def test_url_may_be_set_without_a_password(api: KubeApi, tmp_path: Path) -> None:
    install.deploy(api, PRODUCTION, skip_secrets=False, say=NOBODY)

    endpoint = find(settings(tmp_path, FALCONERI_URL="http://elsewhere:1/"))

    assert (endpoint.url, endpoint.password) == ("http://elsewhere:1/", password_of(api))


def test_password_that_is_set_wins(api: KubeApi, tmp_path: Path) -> None:
    install.deploy(api, PRODUCTION, skip_secrets=False, say=NOBODY)

    endpoint = find(settings(tmp_path, FALCONERI_PASSWORD="mine", FALCONERI_PROXY_HOST="proxy"))

    assert (endpoint.url, endpoint.password) == ("http://proxy:8089/", "mine")


def test_namespace_without_falconeri_is_told(api: KubeApi, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=f"namespace {api.namespace} .* has no POSTGRES_PASSWORD"):
        find(settings(tmp_path))


def test_database_is_reached_through_the_proxy(api: KubeApi, tmp_path: Path) -> None:
    install.deploy(api, PRODUCTION, skip_secrets=False, say=NOBODY)
    secret = api.find("Secret", "falconeri-database")
    assert secret is not None
    password = values_of(secret)["POSTGRES_PASSWORD"]

    url = in_cluster.database_url(settings(tmp_path))

    assert url == f"postgresql://postgres:{password}@127.0.0.1:5432/falconeri"


def test_database_elsewhere_is_reached_where_it_is(api: KubeApi, tmp_path: Path) -> None:
    owner = "postgresql://owner:secret@db.example:5433/falconeri?sslmode=require"
    theirs = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "our-db"}}
    api.create({**theirs, "stringData": {"OWNER_URL": owner, "SERVER_URL": "postgresql://s@d/f"}})
    install.deploy(api, Options(database_secret="our-db"), skip_secrets=False, say=NOBODY)

    assert in_cluster.database_url(settings(tmp_path)) == owner
