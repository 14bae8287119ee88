"""What the tests of programs need of a job: an order, its surroundings, a datum."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Sequence
from pathlib import Path

from falconeri.states import FailureClass, JobStatus
from falconeri.wire.work import Claim, InputRef, ProgramOptions, WorkOrder
from falconeri_worker.err_cmd import TriesLeft
from falconeri_worker.excerpt import Excerpt
from falconeri_worker.program import Program, Ran
from falconeri_worker.settings import Settings
from falconeri_worker.stopping import Stop


def settings_in(home: Path) -> Settings:
    for name in ("pfs", "scratch"):
        (home / name).mkdir(exist_ok=True)
    return Settings(
        url="http://falconerid/",
        wait_url="http://falconerid/",
        password="",
        pod_name="pod-1",
        node_name="node-1",
        pfs=home / "pfs",
        scratch=home / "scratch",
        log_level="info",
        space=None,
        prefetch=False,
        grace_s=0,
        rung=0,
        listen_dsn=None,
    )


def order(command: Sequence[str], options: ProgramOptions | None = None) -> WorkOrder:
    return WorkOrder(
        job_id=uuid.uuid4(),
        job_name="j",
        status=JobStatus.RUNNING,
        command=list(command),
        egress_uri="file:///egress/",
        lease_s=60,
        program=options or ProgramOptions(),
    )


def python(script: str) -> list[str]:
    return [sys.executable, "-u", "-c", script]


def datum(*paths: str, attempt: int = 1) -> Claim:
    inputs = [InputRef(uri=f"s3://in{path}", local_path=path) for path in paths]
    return Claim(uuid.uuid4(), attempt, inputs)


def run(program: Program, claim: Claim | None = None, *stops: Stop) -> tuple[Ran, str]:
    """Run over a datum; return how that ended, and what was printed."""
    output = Excerpt()
    ran = program.run(claim or datum("/pfs/in/a"), stops=stops, output=output)
    return ran, output.text()


def tries(left: int) -> TriesLeft:
    """Answers that a datum may fail so often, whatever it fails of."""

    def answer(_claim: Claim, _failure_class: FailureClass) -> int:
        return left

    return answer


def message(ran: Ran) -> str:
    assert ran.failure is not None
    return str(ran.failure)
