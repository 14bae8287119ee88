"""An installation on a cluster: the fake one, or a real one that the environment names.

    FALCONERI_TEST_KUBECONFIG   a kubeconfig file: the tests run there, in a namespace of their own
    FALCONERI_TEST_HOST         this machine's address as the cluster's pods see it
    FALCONERI_TEST_IMAGE        falconeri's image, which the cluster can pull or has

falconerid and its database run on this machine in both cases; docs/kubernetes.md says how to make
such a cluster with kind.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import uuid
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import yaml
from kubernetes import client, config

from falconeri.client.jobs import JobsClient
from falconeri.deployment.manifests import load
from falconeri.deployment.render import SERVE, TASKS
from falconeri.kube.api import KubeApi
from falconeri.storage import Credentials
from falconeri.storage.s3_client import client_for
from falconeri.wire.codec import encode
from falconeri.wire.records import Job
from falconeri.wire.spec import parse_spec
from tests.cli.command import falconeri_command
from tests.databases import fresh_database
from tests.e2e.plane import Plane
from tests.kube.cluster import FakeKubernetes
from tests.kube.volumes import Image
from tests.kube.waiting import Apis, eventually
from tests.server.falconerid import PASSWORD, Falconerid

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

OURS = "falconeri.test/falconeri:e2e"
PROGRAM_IMAGE = "busybox:1.37"
KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIATEST",
    "AWS_SECRET_ACCESS_KEY": "hidden",
    "AWS_REGION": "us-east-1",
}


@dataclass
class Place:
    """A namespace of a cluster, and how it reaches this machine."""

    apis: Apis
    namespace: str
    kubeconfigs: dict[str, Path]
    """Of the accounts that `serve` and `tasks` have."""
    host: str
    image: str
    fake: FakeKubernetes | None


@dataclass
class Site:
    """The place, what runs beside it, and what a user does there."""

    place: Place
    plane: Plane
    serve: Falconerid
    """The first of its replicas, if a test has not killed it."""
    tasks: subprocess.Popen[bytes]
    """The process of tasks, or the one that took its place."""
    s3: S3Client
    client: JobsClient
    directory: Path

    def command(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run the command line as a user of this installation."""
        return falconeri_command(
            *arguments,
            stdin=stdin,
            cwd=self.directory,
            FALCONERI_URL=self.plane.url,
            FALCONERI_WAIT_URL=self.plane.wait_url,
            FALCONERI_PASSWORD=PASSWORD,
        )

    def run(self, script: str, inputs: dict[str, str], **parts: Any) -> str:  # noqa: ANN401 - any JSON
        """Submit a job by the command line; its name."""
        ran = self.command("job", "run", "-", stdin=json.dumps(self.spec(script, inputs, **parts)))
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()

    def submit(self, script: str, inputs: dict[str, str], **parts: Any) -> Job:  # noqa: ANN401 - any JSON
        """Submit a job by the API."""
        return self.client.create_job(parse_spec(encode(self.spec(script, inputs, **parts))))

    def spec(self, script: str, inputs: dict[str, str], **parts: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
        """Of a job that runs a shell script over some files."""
        bucket = f"b-{uuid.uuid4().hex}"
        self.s3.create_bucket(Bucket=bucket)
        for name, text in inputs.items():
            self.s3.put_object(Bucket=bucket, Key=f"in/{name}", Body=text.encode())
        keys = [{"name": "s3", "key": key, "env_var": key} for key in (*KEYS, "AWS_ENDPOINT_URL")]
        return {
            "pipeline": {"name": "words"},
            "transform": {
                "cmd": ["sh", "-ec", f'pfs="${{FALCONERI_PFS:-/pfs}}"; {script}'],
                "image": PROGRAM_IMAGE,
                "secrets": keys,
            },
            "parallelism_spec": {"constant": 2},
            "resource_requests": {"memory": "128Mi", "cpu": 0.1},
            "input": {"atom": {"URI": f"s3://{bucket}/in/", "repo": "in", "glob": "/*"}},
            "egress": {"URI": f"s3://{bucket}/out/"},
            **parts,
        }

    def outputs(self, name: str) -> dict[str, str]:
        """The files that a job has written."""
        bucket = self.client.find_job(name).egress_uri.split("/")[2]
        found = self.s3.list_objects_v2(Bucket=bucket, Prefix="out/").get("Contents", [])
        keys = [entry.get("Key", "") for entry in found]
        return {
            key.removeprefix("out/"): self.s3.get_object(Bucket=bucket, Key=key)["Body"]
            .read()
            .decode()
            for key in keys
        }

    def pods(self, name: str) -> list[str]:
        """The names of a job's pods that run and are not about to go."""
        selector = f"job-name={name}"
        found: list[Any] = self.place.apis.core.list_namespaced_pod(
            self.place.namespace, label_selector=selector
        ).items
        return [
            pod.metadata.name
            for pod in found
            if pod.status.phase == "Running" and not pod.metadata.deletion_timestamp
        ]

    def wait_for_pods(self, name: str, count: int) -> list[str]:
        def look() -> list[str]:
            pods = self.pods(name)
            return pods if len(pods) == count else []

        return eventually(look, what=f"{count} pods of {name}")

    def wait_until_nothing_is_left(self, name: str) -> None:
        """Neither Kubernetes Job, nor pods, nor token."""
        core, batch = self.place.apis.core, self.place.apis.batch

        def look() -> bool:
            everything = [
                *batch.list_namespaced_job(self.place.namespace).items,
                *core.list_namespaced_pod(self.place.namespace).items,
                *core.list_namespaced_secret(self.place.namespace).items,
            ]
            return not any(obj.metadata.name.startswith(name) for obj in everything)

        eventually(look, what=f"nothing of {name}")


@contextmanager
def open_place(directory: Path) -> Generator[Place]:
    """The real cluster if one is named, else the fake one."""
    if kubeconfig := os.environ.get("FALCONERI_TEST_KUBECONFIG"):
        with _real_place(Path(kubeconfig), directory) as place:
            yield place
        return
    with FakeKubernetes(directory / "nodes") as kube, kube.client() as api:
        bundle = directory / "bundle"
        bundle.mkdir()
        script = bundle / "falconeri-worker"
        script.write_text(f'#!/bin/sh\nexec {sys.executable} -m falconeri_worker "$@"\n')
        script.chmod(0o755)
        kube.add_image(OURS, Image(files={"/opt/falconeri/worker": bundle}))
        _give_rights(KubeApi(api, kube.namespace))
        kubeconfigs = {
            account: kube.write_kubeconfig(directory / account, kube.token_for(account))
            for account in (SERVE, TASKS)
        }
        yield Place(Apis.of(api), kube.namespace, kubeconfigs, "127.0.0.1", OURS, kube)
        assert kube.access.refused == []


def _give_rights(api: KubeApi) -> None:
    """What falconerid may do: what the deployed Roles say, and nothing more."""
    for obj in load():
        if obj["kind"] in {"ServiceAccount", "Role", "RoleBinding"}:
            api.apply(obj)


@contextmanager
def _real_place(kubeconfig: Path, directory: Path) -> Generator[Place]:
    host, image = (os.environ.get(f"FALCONERI_TEST_{name}") for name in ("HOST", "IMAGE"))
    if not host or not image:
        pytest.fail("FALCONERI_TEST_KUBECONFIG needs FALCONERI_TEST_HOST and FALCONERI_TEST_IMAGE")
    namespace = f"falconeri-test-{uuid.uuid4().hex[:8]}"
    api: Any = cast("Any", config).new_client_from_config(str(kubeconfig))
    core: Any = client.CoreV1Api(api)
    core.create_namespace({"metadata": {"name": namespace}})
    try:
        _give_rights(KubeApi(api, namespace))
        kubeconfigs = {
            account: _write_kubeconfig(
                directory / account, kubeconfig, _new_token(core, namespace, account)
            )
            for account in (SERVE, TASKS)
        }
        yield Place(Apis.of(api), namespace, kubeconfigs, host, image, None)
    finally:
        core.delete_namespace(namespace)


def _new_token(core: Any, namespace: str, account: str) -> str:  # noqa: ANN401 - untyped
    wanted: dict[str, Any] = {"spec": {"audiences": [], "expirationSeconds": 4 * 3600}}
    made = core.create_namespaced_service_account_token(account, namespace, wanted)
    return str(made.status.token)


def _write_kubeconfig(path: Path, like: Path, token: str) -> Path:
    """The same cluster for somebody else."""
    found = yaml.safe_load(like.read_text())
    for user in found["users"]:
        user["user"] = {"token": token}
    path.write_text(yaml.safe_dump(found))
    path.chmod(0o600)
    return path


@contextmanager
def open_site(directory: Path) -> Generator[Site]:
    """falconerid, its tasks, its database and a store, and the cluster."""
    with (
        open_place(directory) as place,
        _store(place) as s3,
        fresh_database() as database_url,
        _plane(database_url, place, directory) as plane,
    ):
        serve, tasks = plane.start_serve(), plane.start_tasks()
        user = JobsClient.connect(plane.url, PASSWORD, wait_url=plane.wait_url)
        yield Site(place, plane, serve, tasks, s3, user, directory)


@contextmanager
def _store(place: Place) -> Generator[S3Client]:
    from moto.server import ThreadedMotoServer  # noqa: PLC0415  (takes a second)

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else a line for each request
    listen = "127.0.0.1" if place.fake else "0.0.0.0"  # noqa: S104 - pods come from elsewhere
    server = ThreadedMotoServer(ip_address=listen, port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    keys = {**KEYS, "AWS_ENDPOINT_URL": f"http://{place.host}:{port}"}
    secret = {"metadata": {"name": "s3"}, "stringData": keys}
    place.apis.core.create_namespaced_secret(place.namespace, secret)
    yield client_for(Credentials(keys))
    server.stop()


@contextmanager
def _plane(database_url: str, place: Place, directory: Path) -> Generator[Plane]:
    settings = {
        "FALCONERI_CLUSTER": "kubernetes",
        "FALCONERI_NAMESPACE": place.namespace,
        "FALCONERI_IMAGE": place.image,
    }
    with ExitStack() as stack:
        yield Plane(
            stack,
            database_url,
            directory,
            host=place.host,
            listen="127.0.0.1" if place.fake else "0.0.0.0",  # noqa: S104 - pods come from elsewhere
            settings=settings,
            kubeconfigs=(place.kubeconfigs[SERVE], place.kubeconfigs[TASKS]),
        )
