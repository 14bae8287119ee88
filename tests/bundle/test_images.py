"""The bundle's worker in other systems' root file systems, as a pod would run it."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from falconeri.storage import Credentials
from falconeri.storage.s3_client import client_for
from falconeri.tokens import make_token
from tests.bundle.images import HOSTILE_ENVIRONMENT, HOSTILE_LINE, NAMES, command, run_in
from tests.server.conftest import spec
from tests.server.falconerid import PASSWORD, Falconerid

WORKER = "/falconeri/falconeri-worker"

pytestmark = pytest.mark.parametrize("name", NAMES)


class Job:
    """A job over one file in a bucket, whose command is a program of an image."""

    def __init__(
        self, falconerid: Falconerid, store: dict[str, str], name: str, directory: Path
    ) -> None:
        self._falconerid = falconerid
        self._s3 = client_for(Credentials(store))
        self._bucket = f"bucket-{uuid.uuid4().hex}"
        self._s3.create_bucket(Bucket=self._bucket)
        self._s3.put_object(Bucket=self._bucket, Key="in/words", Body=b"one\ntwo\n")
        wanted = spec(directory, 0)
        wanted["input"]["atom"] |= {"URI": f"s3://{self._bucket}/in/", "repo": "books"}
        wanted["egress"] = {"URI": f"s3://{self._bucket}/out/"}
        wanted["transform"]["cmd"] = command(name, "/pfs/books/words")
        answer = falconerid.call("POST", "/jobs", {"job": wanted})
        assert answer.status == 200, answer.body
        self.id = UUID(answer.json["job"]["id"])
        self.pod = store | {
            "FALCONERI_URL": f"http://localhost:{falconerid.port}/",
            "FALCONERI_WAIT_URL": f"http://localhost:{falconerid.wait_port}/",
            "FALCONERI_POD_NAME": "pod-1",
            "FALCONERI_NODE_NAME": "node-1",
        }

    def secrets(self, directory: Path) -> Path:
        """A directory with what a pod finds in /etc/falconeri/secrets."""
        directory.mkdir(mode=0o755)
        (directory / "POSTGRES_PASSWORD").write_text(make_token(PASSWORD, self.id))
        return directory

    def status(self) -> str:
        status: str = self._falconerid.call("GET", f"/jobs/{self.id}").json["job"]["status"]
        return status

    def output(self, name: str) -> str:
        found: Any = self._s3.get_object(Bucket=self._bucket, Key=f"out/{name}")
        return found["Body"].read().decode()


@pytest.fixture
def job(falconerid: Falconerid, store: dict[str, str], tmp_path: Path, name: str) -> Job:
    return Job(falconerid, store, name, tmp_path)


def test_self_test_passes_in_a_hostile_image(
    bundle: Path, images: Path, tmp_path: Path, name: str
) -> None:
    argv = [WORKER, "--self-test"]

    done = run_in(images / name, bundle, tmp_path, argv, HOSTILE_ENVIRONMENT)

    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    checks = ["python", "modules", "certificates", "checksums", "s3", "gs"]
    assert [line.partition(":")[0] for line in lines] == [f"ok {check}" for check in checks]
    assert HOSTILE_LINE not in done.stderr


def test_worker_runs_a_program_of_the_image_with_the_image_s_environment(
    bundle: Path, images: Path, job: Job, tmp_path: Path, name: str
) -> None:
    given = HOSTILE_ENVIRONMENT | job.pod

    done = run_in(
        images / name, bundle, job.secrets(tmp_path / "secrets"), [WORKER, str(job.id)], given
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert job.status() == "done", done.stderr
    assert job.output("copy") == "one\ntwo\n"
    seen = variables(job.output("environment"))
    assert seen | given == seen
    assert not [each for each in seen if each.startswith(("FALCONERI_HIDDEN", "FALCONERI_ADDED"))]
    assert not [value for value in seen.values() if value.startswith("/falconeri")]
    # Into programs of systems with a loader, as their image has it; never into the worker.
    loads = name in ("musl", "debian")
    assert (HOSTILE_LINE in done.stderr.splitlines()) is loads


def variables(listed: str) -> dict[str, str]:
    """Read lines of `name=value` or of `export name='value'`."""
    pairs = (line.removeprefix("export ").partition("=") for line in listed.splitlines())
    return {name: value.strip("'") for name, _, value in pairs}
