"""falconerid, a store, gates in front of both, and local workers that go through them."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psycopg
import pytest

from falconeri.babysitter.passes import Babysitter
from falconeri.cluster.local import LocalCluster
from falconeri.db.pool import Database
from falconeri.storage import Credentials
from falconeri.storage.s3_client import client_for
from tests import processes
from tests.databases import fresh_database
from tests.faults.gate import Gate, gate
from tests.server.falconerid import PASSWORD, Falconerid, running

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

KEYS = {"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "a secret nobody may see"}


@pytest.fixture(scope="module")
def store_url() -> Generator[str]:
    from moto.server import ThreadedMotoServer  # noqa: PLC0415  (takes a second)

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else a line for each request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def falconerid(store_url: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[Falconerid]:
    state = tmp_path_factory.mktemp("state")
    _write_secret(state, KEYS | {"AWS_ENDPOINT_URL": store_url})
    with fresh_database() as url, running(url, state) as server:
        yield server


@dataclass
class World:
    """Everything, and one job in it."""

    falconerid: Falconerid
    store: S3Client
    to_falconerid: Gate
    to_waiting_port: Gate
    to_store: Gate
    cluster: LocalCluster
    babysitter: Babysitter
    state: Path
    bucket: str
    job_id: str = ""

    def submit(
        self, command: str, *names: str, err_command: str | None = None, **fields: object
    ) -> None:
        """Run a shell command over objects of these names; `$1` is the directory for signals.

        Args:
            err_command: The shell command that is run instead when no try is left.
        """
        for name in names:
            self.store.put_object(Bucket=self.bucket, Key=f"in/{name}", Body=name.encode())
        secrets = [
            {"name": "s3", "key": key, "env_var": key} for key in (*KEYS, "AWS_ENDPOINT_URL")
        ]
        transform: dict[str, Any] = {
            "cmd": ["sh", "-euc", command, "sh", str(self.state)],
            "image": "none",
            "secrets": secrets,
            "env": {"AWS_MAX_ATTEMPTS": "1"},
        }
        if err_command is not None:
            transform["err_cmd"] = ["sh", "-euc", err_command, "sh", str(self.state)]
        spec = {
            "pipeline": {"name": "faults"},
            "transform": transform,
            "parallelism_spec": {"constant": 1},
            "resource_requests": {"memory": "64Mi", "cpu": 0.1},
            "input": {"atom": {"URI": f"s3://{self.bucket}/in/", "repo": "in", "glob": "/*"}},
            "egress": {"URI": f"s3://{self.bucket}/out/"},
        }
        answer = self.falconerid.call("POST", "/jobs", {"job": spec | fields})
        assert answer.status == 200, answer.body
        self.job_id = answer.json["job"]["id"]

    def kill_worker(self) -> None:
        processes.kill(self.state, f"falconeri_worker {self.job_id}")

    def run(self) -> dict[str, Any]:
        """Do what the babysitter does until the job has ended and all is cleaned up."""

        def ended() -> bool:
            self.babysitter.look_around()
            return self.progress()["status"] != "running"

        processes.wait_until(ended)
        self.cluster.stop(uuid.UUID(self.job_id))
        self.babysitter.bury_dead()
        self.babysitter.delete_leftovers()
        return self.progress()

    def progress(self) -> dict[str, Any]:
        path = f"/jobs/{self.job_id}/wait?hold_s=0"
        progress: dict[str, Any] = self.falconerid.call("GET", path, waiting=True).json["progress"]
        return progress

    def objects(self) -> dict[str, str]:
        """What is in the store."""
        listed = self.store.list_objects_v2(Bucket=self.bucket, Prefix="out/").get("Contents", [])
        keys = [entry.get("Key", "") for entry in listed]
        bodies = [self.store.get_object(Bucket=self.bucket, Key=key)["Body"].read() for key in keys]
        return {
            key.removeprefix("out/"): body.decode() for key, body in zip(keys, bodies, strict=True)
        }

    def rows(self) -> dict[str, tuple[str, int]]:
        """What the database says is there; nothing is left to be deleted."""
        with psycopg.connect(self.falconerid.database_url) as conn:
            assert conn.execute("select from falconeri.deletions").fetchall() == []
            rows = conn.execute(
                "select f.uri, f.status::text, f.size_bytes from falconeri.output_files f"
                " join falconeri.jobs j using (job_no) where j.id = %s",
                (self.job_id,),
            ).fetchall()
        prefix = f"s3://{self.bucket}/out/"
        return {uri.removeprefix(prefix): (status, size) for uri, status, size in rows}


@pytest.fixture
def world(falconerid: Falconerid, store_url: str, tmp_path: Path) -> Generator[World]:
    store = client_for(Credentials(KEYS | {"AWS_ENDPOINT_URL": store_url}))
    store.create_bucket(Bucket=(bucket := f"bucket-{uuid.uuid4().hex}"))
    port = urlsplit(store_url).port
    assert port is not None
    with (
        gate(falconerid.port) as to_falconerid,
        gate(falconerid.wait_port) as to_waiting_port,
        gate(port) as to_store,
        closing(Database(falconerid.database_url, size=2, name="babysitter")) as db,
        LocalCluster(
            tmp_path,
            slots=1,
            worker_environment={
                "FALCONERI_URL": to_falconerid.url,
                "FALCONERI_WAIT_URL": to_waiting_port.url,
            },
        ) as cluster,
    ):
        _write_secret(tmp_path, KEYS | {"AWS_ENDPOINT_URL": to_store.url})
        yield World(
            falconerid=falconerid,
            store=store,
            to_falconerid=to_falconerid,
            to_waiting_port=to_waiting_port,
            to_store=to_store,
            cluster=cluster,
            babysitter=Babysitter(db, cluster, PASSWORD),
            state=tmp_path,
            bucket=bucket,
        )


def _write_secret(state: Path, values: dict[str, str]) -> None:
    (folder := state / "secrets" / "s3").mkdir(parents=True)
    for key, value in values.items():
        (folder / key).write_text(value)
