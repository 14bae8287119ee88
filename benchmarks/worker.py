"""What a worker adds to a command and to the transfers of its files, and what it gains by both.

One local worker, the local S3 server, and `xargs` running `curl`, the command and `curl` again for
each of the same objects, one after the other, without any queue. Then a command that takes as long
as its files do on a slow link: with pipelining, relative to the same job without. And how long the
worker of a bundle takes to its first request.

    ./run bench worker [--quick] [--json] [--save [FOLDER]] [--bundle FOLDER]
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchmarks._results import Result, option_parser, show
from benchmarks.transfers.first_request import bare_start_s, first_request_s
from benchmarks.transfers.slow_link import slow_link
from benchmarks.transfers.store import BUCKET, KEYS, Store, store
from falconeri.client.jobs import JobsClient
from falconeri.local.stack import LocalStack
from falconeri.local.state import LocalState
from falconeri.resources import deploy_root
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

_RESULTS = Path(__file__).resolve().parent / "results"
_MB = 1_000_000
_LINK_BYTES_PER_S = 8 * _MB

_FILE = '"$FALCONERI_PFS"/in/*'
_COPY = f'cp {_FILE} "$FALCONERI_PFS"/out/'
_FETCH = 'curl -sf -H "$AUTH" -o in/file "$URL/$0"'
_STORE = 'curl -sf -H "$AUTH" -T out/file "$URL/theirs/$0"'


@dataclass
class Bench:
    """A stack with one worker, a store, and a directory for `xargs`."""

    client: JobsClient
    store: Store
    work: Path
    repeats: int

    def job(self, keys: list[str], command: str, *, pipelining: bool = True) -> float:
        """Run a job over these objects; return its seconds."""
        prefix = keys[0].rpartition("/")[0]
        spec = PipelineSpec(
            pipeline=Pipeline("bench"),
            transform=Transform(cmd=["sh", "-c", command], image="none"),
            parallelism_spec=ParallelismSpec(1),
            resource_requests=ResourceRequests(memory="64Mi", cpu=0.1),
            input=Input(atom=Atom(uri=f"s3://{BUCKET}/{prefix}/", repo="in", glob="/*")),
            egress=Egress(uri=f"s3://{BUCKET}/ours/{prefix}/"),
            pipelining=pipelining,
        )
        began = time.perf_counter()
        job = self.client.create_job(spec)
        *_, progress = self.client.wait_for_job(job.id)
        elapsed_s = time.perf_counter() - began
        if progress.status is not JobStatus.DONE or progress.failed_attempts:
            sys.exit(f"the job did not end well: {progress}")
        return elapsed_s

    def xargs(self, keys: list[str], command: str) -> float:
        """Run a shell command for each of these objects; return the seconds of all."""
        for name in ("in", "out"):
            (self.work / name).mkdir(exist_ok=True)
        environment = os.environ | {
            "URL": f"http://127.0.0.1:{self.store.port}/{BUCKET}",
            "AUTH": "Authorization: AWS AKIATEST:any",
        }
        began = time.perf_counter()
        subprocess.run(
            ["xargs", "-n1", "-P1", "sh", "-euc", command],  # noqa: S607 - of the system
            input="\n".join(keys),
            text=True,
            cwd=self.work,
            env=environment,
            check=True,
        )
        return time.perf_counter() - began

    def overhead(self, datums: int) -> Result:
        """What a datum takes of a command that does nothing."""
        keys = self.store.fill("tiny", datums, 10)
        ours = [self.job(keys, "true") for _ in range(self.repeats)]
        theirs = [self.xargs(keys, f"{_FETCH}; true") for _ in range(self.repeats)]
        return _result(
            f"no-op, {datums} datums of 10 bytes",
            *("ms/datum", [s / datums * 1000 for s in ours], [s / datums * 1000 for s in theirs]),
        )

    def throughput(self, datums: int, size_bytes: int) -> Result:
        """How fast large files go in and out."""
        keys = self.store.fill("large", datums, size_bytes)
        megabytes = 2 * datums * size_bytes / _MB
        ours = [megabytes / self.job(keys, _COPY) for _ in range(self.repeats)]
        command = f"{_FETCH}; cp in/file out/file; {_STORE}"
        theirs = [megabytes / self.xargs(keys, command) for _ in range(self.repeats)]
        size = f"{size_bytes / _MB:.0f} MB"
        return _result(f"copy, {datums} datums of {size} in and out", "MB/s", ours, theirs)

    def pipelining(self, datums: int, size_bytes: int) -> Result:
        """How much faster a job is whose files take as long as its command."""
        keys = self.store.fill("piped", datums, size_bytes)
        transfer_s = self.job(keys, _COPY, pipelining=False) / datums
        command = f"sleep {transfer_s:.3f}; {_COPY}"
        runs = [
            (
                datums / self.job(keys, command, pipelining=True),
                datums / self.job(keys, command, pipelining=False),
            )
            for _ in range(self.repeats)
        ]
        on, off = zip(*runs, strict=True)
        case = f"pipelining, {datums} datums, files and command {transfer_s:.2g} s each"
        return _result(case, "datums/s", list(on), list(off))


def main() -> int:
    """Measure each case, print it, and save all if asked to."""
    parser = option_parser(__doc__)
    parser.add_argument(
        "--save",
        metavar="FOLDER",
        nargs="?",
        const=_RESULTS,
        type=Path,
        help="write worker.json and .md (default: %(const)s)",
    )
    parser.add_argument(
        "--bundle", metavar="FOLDER", type=Path, help="of `./run bundle`; else one is built"
    )
    options = parser.parse_args()
    # Not below a private directory: as root the embedded PostgreSQL runs as another user.
    work = Path(tempfile.mkdtemp(prefix="falconeri-bench-"))
    work.chmod(0o755)
    found: list[Result] = []
    try:
        with store() as server:
            for result in _measure(server, work, options.bundle, quick=options.quick):
                show(result, as_json=options.json)
                found.append(result)
    finally:
        shutil.rmtree(work)
    if options.save:
        save(found, options.save)
    return 0


def _measure(server: Store, work: Path, bundle: Path | None, *, quick: bool) -> Iterator[Result]:
    yield _start(bundle or _built(work / "bundle"), work, starts=5 if quick else 21)
    repeats = 1 if quick else 3
    with _stack(work / "direct", server.port) as client:
        bench = Bench(client, server, work, repeats)
        bench.job(server.fill("first", 5, 10), "true")  # the first job pays for cold caches
        yield bench.overhead(50 if quick else 300)
        yield bench.throughput(4 if quick else 10, 64 * _MB)
    with (
        slow_link(server.port, _LINK_BYTES_PER_S) as port,
        _stack(work / "slow", port) as client,
    ):
        yield Bench(client, server, work, repeats).pipelining(10 if quick else 24, 4 * _MB)


def _built(folder: Path) -> Path:
    build = deploy_root() / "worker-bundle" / "build.py"
    subprocess.run([sys.executable, build, "--out", folder], check=True, stdout=sys.stderr)
    return folder


def _start(bundle: Path, work: Path, *, starts: int) -> Result:
    """The first start of a node's worker reads the bundle from its disk; it isn't counted."""
    first_request_s(bundle, work)
    times_ms = [
        (first_request_s(bundle, work) * 1000, bare_start_s(bundle) * 1000) for _ in range(starts)
    ]
    ours, bare = zip(*times_ms, strict=True)
    return _result("start of a bundle's worker to its first request", "ms", list(ours), list(bare))


@contextmanager
def _stack(state: Path, s3_port: int) -> Generator[JobsClient]:
    """Run a local stack with one worker, whose S3 is at this port; give a client of it."""
    os.environ.update(KEYS | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{s3_port}"})
    with LocalStack(LocalState(state), workers=1) as stack:
        running = stack.running
        yield JobsClient.connect(running.url, running.password, wait_url=running.wait_url)


def _result(case: str, unit: str, ours: list[float], theirs: list[float]) -> Result:
    ratios = [mine / yours for mine, yours in zip(ours, theirs, strict=True)]
    return Result(
        bench="worker",
        case=case,
        value=statistics.median(ours),
        unit=unit,
        baseline=statistics.median(theirs),
        low=min(ratios),
        high=max(ratios),
    )


def save(results: list[Result], folder: Path) -> None:
    """Write the results as JSON, and as a table for people."""
    rows = [msgspec.structs.asdict(each) | {"ratio": each.ratio} for each in results]
    (folder / "worker.json").write_bytes(
        msgspec.json.format(msgspec.json.encode(rows), indent=2) + b"\n"
    )
    lines = [
        "# `./run bench worker`",
        "",
        "[The README](../README.md#worker) says what is measured. Compare ratios, not values.",
        "",
        "| case | unit | with falconeri | baseline | ratio | from | to |",
        "|---|---|--:|--:|--:|--:|--:|",
        *(
            f"| {r.case} | {r.unit} | {r.value:.3g} | {r.baseline:.3g} | **{r.ratio:.2f}**"
            f" | {r.low:.2f} | {r.high:.2f} |"
            for r in results
        ),
    ]
    (folder / "worker.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
