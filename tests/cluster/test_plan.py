from __future__ import annotations

from pathlib import Path

import pytest

from falconeri.cluster.plan import PodPlan, plan_pod
from falconeri.errors import InvalidSpec, SecretNotFound
from tests.cluster.factories import make_workers

KEY = {"name": "s3", "key": "id", "env_var": "AWS_ACCESS_KEY_ID"}


def plan(tmp_path: Path, *, private_root: bool = True, **transform: object) -> PodPlan:
    (pod := tmp_path / "pods" / "words-1").mkdir(parents=True)
    return plan_pod(
        make_workers(transform),
        pod=pod,
        secrets=tmp_path / "secrets",
        private_root=private_root,
        worker_environment={"FALCONERI_URL": "http://here/"},
    )


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    (folder := tmp_path / "secrets" / "s3").mkdir(parents=True)
    (folder / "id").write_text("from-secret")
    return folder


@pytest.fixture(autouse=True)
def parent(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "PATH": "/bin",
        "LC_TIME": "C",
        "https_proxy": "http://proxy/",
        "DATABASE_PASSWORD": "hush",
        "FALCONERI_DATABASE_URL": "hush",
        "AWS_ACCESS_KEY_ID": "from-parent",
        "AWS_SESSION_TOKEN": "from-parent",
        "GOOGLE_SERVICE_ACCOUNT_KEY": "from-parent",
    }.items():
        monkeypatch.setenv(name, value)


def test_a_pod_gets_little_of_its_parents_environment(tmp_path: Path) -> None:
    environment = plan(tmp_path).environment
    assert environment["PATH"] == "/bin"
    assert environment["LC_TIME"] == "C"
    assert environment["https_proxy"] == "http://proxy/"
    assert "hush" not in environment.values()


def test_the_machines_cloud_identity_is_the_pods_if_the_spec_names_none(tmp_path: Path) -> None:
    environment = plan(tmp_path).environment
    assert environment["AWS_ACCESS_KEY_ID"] == "from-parent"
    assert environment["GOOGLE_SERVICE_ACCOUNT_KEY"] == "from-parent"


@pytest.mark.usefixtures("secret")
def test_a_secret_replaces_the_whole_identity_of_its_cloud(tmp_path: Path) -> None:
    environment = plan(tmp_path, secrets=[KEY]).environment
    assert environment["AWS_ACCESS_KEY_ID"] == "from-secret"
    assert "AWS_SESSION_TOKEN" not in environment
    assert environment["GOOGLE_SERVICE_ACCOUNT_KEY"] == "from-parent"


@pytest.mark.usefixtures("secret")
def test_of_two_values_for_a_variable_the_more_particular_wins(tmp_path: Path) -> None:
    environment = plan(
        tmp_path,
        env={"PATH": "/mine", "AWS_ACCESS_KEY_ID": "from-env", "FALCONERI_URL": "http://else/"},
        secrets=[KEY],
    ).environment
    assert environment["PATH"] == "/mine"
    assert environment["AWS_ACCESS_KEY_ID"] == "from-secret"
    assert environment["FALCONERI_URL"] == "http://here/"


@pytest.mark.usefixtures("secret")
@pytest.mark.parametrize("missing", [{"name": "s4"}, {"key": "other"}])
def test_only_an_optional_key_may_be_missing(tmp_path: Path, missing: dict[str, str]) -> None:
    with pytest.raises(SecretNotFound):
        plan(tmp_path / "a", secrets=[KEY | missing])
    environment = plan(tmp_path / "b", secrets=[KEY | missing | {"optional": True}]).environment
    assert "AWS_ACCESS_KEY_ID" not in environment


def test_a_pod_is_told_who_and_where_it_is(tmp_path: Path) -> None:
    pod = tmp_path / "pods" / "words-1"
    given = plan(tmp_path)
    assert given.environment["FALCONERI_POD_NAME"] == "words-1"
    assert given.environment["FALCONERI_NODE_NAME"]
    assert given.environment["FALCONERI_PASSWORD_FILE"] == f"{pod}/secrets/POSTGRES_PASSWORD"
    assert given.environment["FALCONERI_PFS"] == "/pfs"
    assert given.environment["FALCONERI_SCRATCH"] == given.environment["TMPDIR"] == "/scratch"
    assert given.binds == [(pod / "pfs", "/pfs"), (pod / "scratch", "/scratch")]
    assert given.cwd == pod


def test_an_image_that_is_a_directory_is_the_working_directory(tmp_path: Path) -> None:
    (image := tmp_path / "my image, 100%20#?").mkdir()
    assert plan(tmp_path, image=f"file://{image}").cwd == image


@pytest.mark.usefixtures("secret")
def test_a_pod_gets_a_copy_of_a_mounted_secret(tmp_path: Path, secret: Path) -> None:
    *_, (source, target) = plan(tmp_path, secrets=[{"name": "s3", "mount_path": "/s3"}]).binds
    assert target == "/s3"
    assert source.parent == tmp_path / "pods" / "words-1" / "secrets"
    assert [path.name for path in source.iterdir()] == ["id"]
    assert (source / "id").read_text() == (secret / "id").read_text()


@pytest.mark.usefixtures("secret")
@pytest.mark.parametrize("path", ["s3", "/", "/.."])
def test_a_secret_is_mounted_at_an_absolute_path(tmp_path: Path, path: str) -> None:
    with pytest.raises(InvalidSpec, match="no absolute path"):
        plan(tmp_path, secrets=[{"name": "s3", "mount_path": path}])
