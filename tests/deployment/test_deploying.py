"""`falconeri deploy`, `status` and `undeploy` against an API server, as processes of their own."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from falconeri.deployment import install, remove
from falconeri.deployment.manifests import shown
from falconeri.deployment.options import DEVELOPMENT, PRODUCTION, Options
from falconeri.deployment.render import render
from falconeri.deployment.secrets import values_of
from falconeri.errors import Conflict, FalconeriError, Forbidden, Unavailable
from falconeri.kube.api import KubeApi
from falconeri.kube.objects import name_of
from falconeri_cli.main import main
from tests.cli.command import ARGV, environment, falconeri_command
from tests.deployment.conftest import NOBODY
from tests.deployment.kubeconfig import use_kubeconfig
from tests.kube.access import Request
from tests.kube.cluster import FakeKubernetes
from tests.kube.kinds import kind_named


@dataclass(frozen=True)
class Ended:
    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Ended]


@pytest.fixture
def run(
    kube: FakeKubernetes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Runs a command line in this process: the client takes seconds to import."""
    use_kubeconfig(kube, tmp_path, monkeypatch)

    def falconeri(*arguments: str) -> Ended:
        code = main(arguments)
        said = capsys.readouterr()
        return Ended(code, said.out, said.err)

    return falconeri


def present(kube: FakeKubernetes) -> set[str]:
    """All that an installation may consist of."""
    kinds = {obj["kind"] for obj in render(DEVELOPMENT)} | {"Secret"}
    return {
        shown({"kind": kind, **obj})
        for kind in kinds
        for obj in kube.store.list(kind, kube.namespace)
    }


def secret(kube: FakeKubernetes, name: str) -> dict[str, str]:
    found = kube.store.find("Secret", kube.namespace, name)
    assert found is not None
    return values_of(found)


def test_deployed_looked_at_and_taken_away(kube: FakeKubernetes, run: Run) -> None:
    deployed = run("deploy", "--development", "--wait")

    assert deployed.returncode == 0, deployed.stderr
    assert "secret/falconeri created" in deployed.stdout
    assert "deployment/falconerid applied" in deployed.stdout
    assert "falconerid 1/1" in deployed.stderr.splitlines()[-1]
    secrets = {"falconeri", "falconeri-database", "falconeri-minio", "s3"}
    expected = {shown(obj) for obj in render(DEVELOPMENT)} | {f"secret/{name}" for name in secrets}
    assert present(kube) == expected
    assert (
        secret(kube, "s3")["AWS_SECRET_ACCESS_KEY"]
        == (secret(kube, "falconeri-minio")["MINIO_ROOT_PASSWORD"])
    )

    before = {name: secret(kube, name) for name in secrets}
    again = run("deploy", "--development")
    assert again.returncode == 0
    assert "secret/" not in again.stdout
    assert {name: secret(kube, name) for name in secrets} == before

    looked = run("status", "--json")
    assert looked.returncode == 0, looked.stdout
    report = json.loads(looked.stdout)
    assert report["is_well"]
    assert {one["name"]: one["ready"] for one in report["components"]} == {
        "falconeri-postgres": 1,
        "falconeri-minio": 1,
        "falconerid": 1,
        "falconerid-tasks": 1,
    }

    gone = run("undeploy")
    assert gone.returncode == 0, gone.stderr
    assert "persistentvolumeclaim/falconeri-postgres kept (--all deletes it)" in gone.stdout
    claims = {f"persistentvolumeclaim/{name}" for name in ("falconeri-postgres", "falconeri-minio")}
    assert present(kube) == claims | {f"secret/{name}" for name in secrets}

    assert run("undeploy", "--all").returncode == 0
    assert present(kube) == set()
    nothing = run("undeploy", "--all")
    assert (nothing.returncode, nothing.stdout) == (0, "")
    assert "nothing was deployed" in nothing.stderr
    assert run("status").returncode == 1


def test_dry_run_prints_what_the_cluster_lacks_and_changes_nothing(
    kube: FakeKubernetes, run: Run, api: KubeApi
) -> None:
    api.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s3"}})

    printed = run("deploy", "--dry-run", "--development")

    assert printed.returncode == 0, printed.stderr
    objects = list(yaml.safe_load_all(printed.stdout))
    secrets = [name_of(obj) for obj in objects if obj["kind"] == "Secret"]
    assert secrets == ["falconeri", "falconeri-database", "falconeri-minio"]
    assert objects[3:] == render(DEVELOPMENT)
    assert present(kube) == {"secret/s3"}


def test_dry_run_needs_no_cluster(tmp_path: Path) -> None:
    printed = falconeri_command("deploy", "--dry-run", KUBECONFIG=str(tmp_path / "none"))

    assert printed.returncode == 0
    assert "they would replace those that exist" in printed.stderr
    names = [name_of(obj) for obj in yaml.safe_load_all(printed.stdout) if obj["kind"] == "Secret"]
    assert names == ["falconeri", "falconeri-database"]


def test_failed_question_never_makes_a_new_password(kube: FakeKubernetes, api: KubeApi) -> None:
    """In the original a passing failure replaced the database's password."""
    install.deploy(api, PRODUCTION, skip_secrets=False, say=NOBODY)
    before = secret(kube, "falconeri-database")

    for code, error in ((500, Unavailable), (403, Forbidden)):
        with kube.failing("get", "secrets", code) as failed, pytest.raises(error):
            install.new_secrets(api, PRODUCTION, patient=False)
        assert failed

    assert secret(kube, "falconeri-database") == before


def test_secret_made_by_somebody_else_meanwhile_is_left_alone(
    kube: FakeKubernetes, api: KubeApi
) -> None:
    theirs = {"metadata": {"name": "falconeri"}, "stringData": {"POSTGRES_PASSWORD": "theirs"}}
    kind = kind_named("Secret")

    def be_quicker(request: Request) -> None:
        is_made = kube.store.find("Secret", kube.namespace, "falconeri")
        if (request.verb, request.resource) == ("create", "secrets") and not is_made:
            kube.store.create(kind, kube.namespace, theirs)

    kube.faults.append(be_quicker)
    lines: list[str] = []

    install.deploy(api, PRODUCTION, skip_secrets=False, say=lines.append)

    assert "secret/falconeri is there already" in lines
    assert secret(kube, "falconeri") == {"POSTGRES_PASSWORD": "theirs"}


def test_volume_without_its_password_is_not_given_a_new_one(
    kube: FakeKubernetes, api: KubeApi
) -> None:
    install.deploy(api, PRODUCTION, skip_secrets=False, say=NOBODY)
    api.delete("Secret", "falconeri-database")

    with pytest.raises(Conflict, match="its secret is missing"):
        install.deploy(api, PRODUCTION, skip_secrets=False, say=NOBODY)

    assert "secret/falconeri-database" not in present(kube)


@pytest.mark.parametrize(
    ("data", "message"),
    [(None, "there is no secret"), ({"OWNER_URL": "postgresql://x/y"}, "has no SERVER_URL")],
)
def test_database_secret_has_to_be_there_and_whole(
    api: KubeApi, kube: FakeKubernetes, data: dict[str, str] | None, message: str
) -> None:
    if data is not None:
        theirs = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "our-db"}}
        api.create({**theirs, "stringData": data})

    with pytest.raises(Conflict, match=message):
        install.deploy(api, Options(database_secret="our-db"), skip_secrets=False, say=NOBODY)

    assert "deployment/falconerid" not in present(kube)


def test_deployment_that_was_cut_short_says_so_and_goes_on(
    kube: FakeKubernetes, api: KubeApi
) -> None:
    with (
        kube.failing("patch", "services", 403, "Forbidden"),
        pytest.raises(install.CutShort, match=r"deployed \d+ of \d+ objects") as caught,
    ):
        install.deploy(api, PRODUCTION, skip_secrets=False, say=NOBODY)
    assert "service/falconeri-postgres" in str(caught.value)
    before = secret(kube, "falconeri-database")

    install.deploy(api, PRODUCTION, skip_secrets=False, say=NOBODY)

    assert {shown(obj) for obj in render(PRODUCTION)} <= present(kube)
    assert secret(kube, "falconeri-database") == before


def test_api_server_that_restarts_is_waited_for(kube: FakeKubernetes, api: KubeApi) -> None:
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        if len(lines) == 5:
            kube.break_watches()

    install.deploy(api, PRODUCTION, skip_secrets=False, say=say)

    assert {shown(obj) for obj in render(PRODUCTION)} <= present(kube)


def test_installation_of_the_original_is_left_alone(kube: FakeKubernetes, api: KubeApi) -> None:
    template = {
        "metadata": {"labels": {"app": "x"}},
        "spec": {"containers": [{"name": "x", "image": "x"}]},
    }
    theirs: dict[str, Any] = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "falconeri-postgres"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "x"}}, "template": template},
    }
    api.apply(theirs)

    with pytest.raises(Conflict, match="original falconeri"):
        install.deploy(api, PRODUCTION, skip_secrets=False, say=NOBODY)

    assert present(kube) == {"deployment/falconeri-postgres"}


def test_undeploy_goes_on_past_what_it_may_not_delete(kube: FakeKubernetes, api: KubeApi) -> None:
    install.deploy(api, DEVELOPMENT, skip_secrets=False, say=NOBODY)

    with kube.failing("delete", "roles", 403, "Forbidden"):
        removal = remove.undeploy(api, all_of_it=True, say=NOBODY)

    assert {line.partition(":")[0] for line in removal.failures} == {
        "role/falconerid",
        "role/falconerid-tasks",
    }
    assert present(kube) == {"role/falconerid", "role/falconerid-tasks"}


def test_undeploy_keeps_a_bucket_secret_of_somebody_else(
    kube: FakeKubernetes, api: KubeApi
) -> None:
    api.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s3"}})
    install.deploy(api, DEVELOPMENT, skip_secrets=False, say=NOBODY)

    removal = remove.undeploy(api, all_of_it=True, say=NOBODY)

    assert removal.kept == ["secret/s3 (not made by falconeri)"]
    assert present(kube) == {"secret/s3"}


def test_wait_says_what_is_wrong_when_its_time_is_over(kube: FakeKubernetes, run: Run) -> None:
    kube.workloads.broken.add("falconerid")

    waited = run("deploy", "--wait", "--timeout", "1s")

    assert waited.returncode == 1
    assert "falconerid: nobody answers requests: no pod of it is ready" in waited.stderr
    assert "not everything is ready after 1 s: falconerid 0/2 (" in waited.stderr


def test_wait_shows_bars_on_a_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "120")

    waited = run("deploy", "--development", "--wait")

    assert waited.returncode == 0
    bars = [line for line in waited.stderr.splitlines() if "1/1 ready" in line]
    shown = {re.sub(r"\x1b\[[0-9]*[A-Z]", "", line).split()[0] for line in bars}
    assert shown == {"falconeri-postgres", "falconerid", "falconerid-tasks", "falconeri-minio"}
    assert "1/1" not in waited.stdout


def test_wait_that_is_stopped_says_that_the_deployment_goes_on(
    kube: FakeKubernetes, tmp_path: Path
) -> None:
    kube.workloads.broken.add("falconerid")
    command = subprocess.Popen(
        [*ARGV, "deploy", "--wait"],
        env=environment({"KUBECONFIG": str(kube.write_kubeconfig(tmp_path / "config"))}),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    with command:
        assert command.stderr is not None
        said = iter(command.stderr)
        assert any("ready: " in line and "falconerid 0/2" in line for line in said)
        command.send_signal(signal.SIGINT)
        rest = list(said)

    assert command.returncode == 128 + signal.SIGINT
    assert "the deployment goes on by itself" in rest[-1]
    assert "deployment/falconerid" in present(kube)


def test_cluster_out_of_reach_is_one_line(kube: FakeKubernetes, run: Run) -> None:
    with kube.outage():
        looked = run("status")

    assert looked.returncode == 1
    assert "the Kubernetes API can't be reached" in looked.stderr
    assert "Connection refused" in looked.stderr
    assert len(looked.stderr.splitlines()) == 1


def test_unknown_context_is_wrong_input(run: Run) -> None:
    looked = run("status", "--context", "none")

    assert looked.returncode == 2
    assert "no Kubernetes cluster to talk to" in looked.stderr


def test_refusal_of_the_cluster_names_the_object(kube: FakeKubernetes, api: KubeApi) -> None:
    kube.forbid("get", "deployments")

    with pytest.raises(FalconeriError, match="read deployment/falconeri-postgres in namespace"):
        install.deploy(api, PRODUCTION, skip_secrets=False, say=NOBODY)

    assert present(kube) == set()
