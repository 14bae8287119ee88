"""A whole local stack, for tests that kill parts of it."""

from __future__ import annotations

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
from tests.conftest import CopyState
from tests.folders import public_folder


@dataclass
class Stack:
    """A running stack, a client of it, and a directory for a test's files."""

    client: JobsClient
    directory: Path
    state: Path

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


@pytest.fixture(scope="session")
def local_stack(used_state: CopyState) -> Generator[LocalStack]:
    """One stack for all tests: what they kill comes back."""
    with public_folder("acceptance") as directory:
        used_state(state := directory / "state")
        with LocalStack(LocalState(state), workers=2) as stack:
            yield stack


@pytest.fixture
def stack(local_stack: LocalStack) -> Generator[Stack]:
    """The stack, with a directory of its own for each test."""
    running = local_stack.running
    client = JobsClient.connect(running.url, running.password, wait_url=running.wait_url)
    with public_folder("acceptance") as directory:
        yield Stack(client, directory, local_stack.state.path)
