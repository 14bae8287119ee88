"""A whole local stack, for tests that kill parts of it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest

from falconeri.client.jobs import JobsClient
from falconeri.local.stack import LocalStack
from falconeri.local.state import LocalState
from falconeri.wire.codec import encode
from falconeri.wire.records import Job, Progress
from falconeri.wire.spec import PipelineSpec, parse_spec


@dataclass
class Stack:
    """A running stack, a client of it, and a directory for a test's files."""

    client: JobsClient
    directory: Path
    state: Path
    database_url: str

    def submit(self, command: str, *, datums: int = 1, **fields: object) -> Job:
        """Run a shell command over some files; `$1` is the directory for the test's own signals."""
        return self.client.create_job(self.spec(command, datums, **fields))

    def spec(self, command: str, datums: int, **fields: object) -> PipelineSpec:
        inputs = self.directory / "in"
        inputs.mkdir(exist_ok=True)
        for number in range(datums):
            (inputs / f"{number}.txt").write_text(f"{number}\n")
        transform = {"cmd": ["sh", "-c", command, "sh", str(self.directory)], "image": "none"}
        tree = {
            "pipeline": {"name": "acceptance"},
            "transform": transform,
            "parallelism_spec": {"constant": 2},
            "resource_requests": {"memory": "64Mi", "cpu": 0.1},
            "input": {"atom": {"URI": f"file://{inputs}/", "repo": "in", "glob": "/*"}},
            "egress": {"URI": f"file://{self.directory}/out/"},
        }
        return parse_spec(encode(tree | fields))

    def wait(self, job: Job) -> Progress:
        *_, progress = self.client.wait_for_job(job.id)
        return progress

    def outputs(self) -> dict[str, str]:
        out = self.directory / "out"
        return {str(p.relative_to(out)): p.read_text() for p in out.rglob("*") if p.is_file()}


@pytest.fixture
def stack() -> Generator[Stack]:
    # Not pytest's tmp_path: as root the embedded PostgreSQL runs as another user.
    directory = Path(tempfile.mkdtemp(prefix="falconeri-acceptance-"))
    directory.chmod(0o755)
    try:
        with LocalStack(LocalState(directory / "state"), workers=2) as running_stack:
            running = running_stack.running
            yield Stack(
                JobsClient.connect(running.url, running.password, wait_url=running.wait_url),
                directory,
                directory / "state",
                running.database_url,
            )
    finally:
        shutil.rmtree(directory)
