"""What a datum costs beside its command: a job of tiny datums against `xargs -P 2`.

Both run the same command once for each of the same files, two at a time. xargs does nothing else;
Falconeri also lists, records, claims, fetches, checks, stores and reports each of them.

    ./run bench spine [--quick] [--json]
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks._results import Result, option_parser, show
from falconeri.client.jobs import JobsClient
from falconeri.local.stack import LocalStack
from falconeri.local.state import LocalState
from falconeri.states import JobStatus
from falconeri.wire.spec import (
    Atom,
    Egress,
    Input,
    ParallelismSpec,
    Pipeline,
    PipelineSpec,
    ResourceRequests,
    Transform,
)

WORKERS = 2
CASES = {
    "no-op": "true",
    "copy": 'cp "${FALCONERI_PFS:-/pfs}"/in/* "${FALCONERI_PFS:-/pfs}"/out/',
}
BASELINES = {"no-op": "true", "copy": 'cp "$0" out/'}


def main() -> int:
    """Measure each case and print it."""
    options = option_parser(__doc__).parse_args()
    datums = 500 if options.quick else 2000
    repeats = 1 if options.quick else 3
    # Not below a private directory: as root the embedded PostgreSQL runs as another user.
    work = Path(tempfile.mkdtemp(prefix="falconeri-bench-"))
    work.chmod(0o755)
    try:
        files = _make_files(work / "in", datums)
        with LocalStack(LocalState(work / "state"), workers=WORKERS) as stack:
            running = stack.running
            client = JobsClient.connect(running.url, running.password, wait_url=running.wait_url)
            _run_job(client, work, CASES["no-op"])  # the first job pays for cold caches
            for case, command in CASES.items():
                ours = [_run_job(client, work, command) for _ in range(repeats)]
                theirs = [_run_xargs(work, files, BASELINES[case]) for _ in range(repeats)]
                show(_result(case, ours, theirs, datums), as_json=options.json)
    finally:
        shutil.rmtree(work)
    return 0


def _result(case: str, ours: list[float], theirs: list[float], datums: int) -> Result:
    """Milliseconds of the two workers' time that a datum takes, from the job's start to its end."""
    return Result(
        bench="spine",
        case=f"{case}, {datums} datums, {WORKERS} workers",
        value=statistics.median(ours) / datums * 1000,
        unit="ms/datum",
        baseline=statistics.median(theirs) / datums * 1000,
    )


def _make_files(directory: Path, count: int) -> list[Path]:
    directory.mkdir()
    files = [directory / f"{number:05}.txt" for number in range(count)]
    for file in files:
        file.write_text(f"{file.name}\n")
    return files


def _run_job(client: JobsClient, work: Path, command: str) -> float:
    spec = PipelineSpec(
        pipeline=Pipeline("bench"),
        transform=Transform(cmd=["sh", "-c", command], image="none"),
        parallelism_spec=ParallelismSpec(WORKERS),
        resource_requests=ResourceRequests(memory="64Mi", cpu=0.1),
        input=Input(atom=Atom(uri=f"file://{work}/in/", repo="in", glob="/*")),
        egress=Egress(uri=f"file://{work}/out/"),
    )
    shutil.rmtree(work / "out", ignore_errors=True)
    began = time.perf_counter()
    job = client.create_job(spec)
    *_, progress = client.wait_for_job(job.id)
    elapsed_s = time.perf_counter() - began
    if progress.status is not JobStatus.DONE or progress.failed_attempts:
        sys.exit(f"the job did not end well: {progress}")
    return elapsed_s


def _run_xargs(work: Path, files: list[Path], command: str) -> float:
    (work / "out").mkdir(exist_ok=True)
    names = b"\0".join(str(file).encode() for file in files)
    began = time.perf_counter()
    subprocess.run(
        ["xargs", "-0", "-n1", f"-P{WORKERS}", "sh", "-c", command],  # noqa: S607 - of the system
        input=names,
        cwd=work,
        check=True,
    )
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
