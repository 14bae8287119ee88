"""An example of each type that the REST API takes or answers: instances, which can't be wrong."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from falconeri import __version__
from falconeri.states import (
    AttemptOutcome,
    DatumStatus,
    FailureClass,
    JobStatus,
    OutputStatus,
    Verdict,
)
from falconeri.wire import controls, events, plan, records, work
from falconeri.wire.spec import (
    Atom,
    Egress,
    Input,
    ParallelismSpec,
    Pipeline,
    PipelineSpec,
    ResourceRequests,
    Transform,
    stored_form,
)

_JOB_ID = UUID("6f1d6f0e-8a4b-4c0e-9d52-0f3a5c1b7e21")
_DATUM_ID = UUID("00000000-0001-8001-8000-000000400000")
_OUTPUT_ID = UUID("00000000-0001-8003-8000-000000000000")
_EARLIER = datetime(2027, 3, 1, 9, 30, 0)  # noqa: DTZ001 - the wire has no zone
_LATER = datetime(2027, 3, 1, 9, 31, 30)  # noqa: DTZ001
_POD, _NODE = "word-frequencies-k3x9q0zt1b-7xk2p", "node-3"
_URI, _RESULT = "s3://my-texts/books/emma.txt", "s3://my-results/words/emma.json"

_SPEC = PipelineSpec(
    pipeline=Pipeline(name="word-frequencies"),
    transform=Transform(cmd=["sh", "/count-words.sh"], image="registry.example.com/words:1"),
    parallelism_spec=ParallelismSpec(constant=10),
    resource_requests=ResourceRequests(memory="500Mi", cpu=1.2),
    input=Input(atom=Atom(uri="s3://my-texts/books/", repo="texts", glob="/*")),
    egress=Egress(uri="s3://my-results/words/"),
    datum_tries=3,
)
_JOB = records.Job(
    id=_JOB_ID,
    created_at=_EARLIER,
    updated_at=_EARLIER,
    status=JobStatus.RUNNING,
    pipeline_spec=stored_form(_SPEC),
    job_name="word-frequencies-k3x9q0zt1b",
    command=_SPEC.transform.cmd,
    egress_uri=_SPEC.egress.uri,
)
_DATUM = records.Datum(
    id=_DATUM_ID,
    created_at=_EARLIER,
    updated_at=_LATER,
    status=DatumStatus.RUNNING,
    job_id=_JOB_ID,
    error_message=None,
    node_name=_NODE,
    pod_name=_POD,
    backtrace=None,
    output=None,
    attempted_run_count=1,
    maximum_allowed_run_count=3,
)
_INPUT = records.InputFile(
    id=UUID("00000000-0001-8002-8000-000000400001"),
    created_at=_EARLIER,
    datum_id=_DATUM_ID,
    uri=_URI,
    local_path="/pfs/texts/emma.txt",
    job_id=_JOB_ID,
)
_FILE = records.OutputFile(
    id=_OUTPUT_ID,
    created_at=_LATER,
    updated_at=_LATER,
    status=OutputStatus.DONE,
    job_id=_JOB_ID,
    datum_id=_DATUM_ID,
    uri=_RESULT,
    size_bytes=1234,
    checksum="crc32c:4waSgw==",
)
_PROGRESS = records.Progress(
    job_id=_JOB_ID,
    job_name=_JOB.job_name,
    status=JobStatus.RUNNING,
    total=100,
    ready=57,
    running=10,
    done=33,
    error=0,
    canceled=0,
    failed_attempts=2,
    recovered=0,
)
_ATTEMPT = controls.Attempt(
    datum_id=_DATUM_ID,
    attempt=1,
    outcome=AttemptOutcome.ERROR,
    final=False,
    failure_class=FailureClass.COMMAND,
    error_message="the command exited with 1",
    exit_code=1,
    signal=None,
    pod_name=_POD,
    node_name=_NODE,
    started_at=_EARLIER,
    finished_at=_LATER,
    bytes_in=891_234,
    bytes_out=0,
    cpu_s=12.5,
    peak_memory_bytes=48_234_496,
    output="cannot read /pfs/texts/emma.txt\n",
    backtrace=None,
)
_TAIL = "reading /pfs/texts/emma.txt\n120,000 words so far\n"
_STATE = events.JobState(
    _JOB_ID, _JOB.job_name, JobStatus.RUNNING, paused=False, parallelism=10, error_message=None
)
_WORK = work.WorkAnswer(
    Verdict.CLAIMED, work.Claim(_DATUM_ID, 1, [work.InputRef(_URI, _INPUT.local_path)])
)

_PLAN = plan.JobPlan(
    pipeline_name=_SPEC.pipeline.name,
    image=_SPEC.transform.image,
    command=_SPEC.transform.cmd,
    egress_uri=_SPEC.egress.uri,
    datums=100,
    max_datums=10_000_000,
    size=plan.Size(74_520_301, 84_122, 745_203, 3_281_920, exact=True),
    inputs=[
        plan.PlannedInput(
            "s3://my-texts/books/",
            "texts",
            "/*",
            100,
            100,
            plan.Size(74_520_301, 84_122, 745_203, 3_281_920, exact=True),
        )
    ],
    sample=[plan.PlannedDatum(1, [work.InputRef(_URI, _INPUT.local_path)])],
    parallelism=10,
    memory="500Mi",
    cpu=1.2,
    max_tries=3,
    retry_delay_s=0,
    timeout_s=9000,
    secrets=[plan.PlannedSecret("s3", None, "AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY_ID", found=True)],
    rivals=[plan.Rival(_JOB_ID, _JOB.job_name, _JOB.egress_uri)],
)

_INSTANCES: tuple[Any, ...] = (
    records.Health(status="ok"),
    records.JobAnswer(_JOB),
    records.JobsAnswer([_JOB]),
    records.JobDescription(
        _JOB,
        [records.DatumStatusCount(DatumStatus.RUNNING, 1, 0)],
        [_DATUM],
        [],
        [records.Wait("unschedulable", "0/3 nodes are available: 3 Insufficient cpu.", 4, _LATER)],
        [
            records.MemoryRung(0, "2Gi", ready=120, running=10, workers=10),
            records.MemoryRung(1, "4Gi", ready=0, running=1, workers=1),
        ],
    ),
    records.DatumAnswer(_DATUM),
    records.DatumDescription(_DATUM, [_INPUT], log_tail=_TAIL),
    records.OutputFilesAnswer([_FILE]),
    _FILE,
    _PROGRESS,
    records.WaitAnswer(_PROGRESS),
    controls.RetryOptions(matching="out of memory", parallelism=4),
    controls.Parallelism(parallelism=20),
    controls.AttemptsAnswer([_ATTEMPT]),
    controls.DatumsPage([_DATUM], after=_DATUM_ID),
    controls.WorkersPage(
        [
            controls.Worker(
                _POD,
                _NODE,
                controls.WorkerState.WORKING,
                registered_at=_EARLIER,
                last_heartbeat_at=_LATER,
                holds=[controls.Hold(_DATUM_ID, 1, 0, claimed_at=_EARLIER, log_tail=_TAIL)],
                ended_at=None,
                end_class=None,
                end_message=None,
            )
        ],
        after=_POD,
    ),
    work.NewJob(_SPEC),
    work.WorkerIdentity(_POD, _NODE),
    work.ClaimRequest(_POD, _NODE, slot=1, ahead=True),
    work.WorkOrder(
        _JOB_ID, _JOB.job_name, JobStatus.RUNNING, _JOB.command, _JOB.egress_uri, lease_s=60
    ),
    _WORK,
    work.Completion(
        _POD,
        1,
        work.Report(AttemptOutcome.DONE, output="counted 160,993 words\n", exit_code=0, cpu_s=2.1),
    ),
    work.CompletionAnswer(_WORK),
    work.HeldAttempt(_POD, attempt=1),
    work.TriesLeft(2),
    work.Heartbeat(_POD, [work.Held(_DATUM_ID, 1, log_tail=_TAIL)]),
    work.HeartbeatAnswer(JobStatus.RUNNING, []),
    work.WaitForWork(_POD, _NODE),
    work.NewOutputs(_POD, [work.NewOutput(_RESULT)], attempt=1),
    work.OutputUpdates(
        _POD, [work.OutputUpdate(_OUTPUT_ID, OutputStatus.DONE, 1234, _FILE.checksum)], attempt=1
    ),
    work.Reservation(node_name=_NODE, pod_name=_POD),
    work.DatumUpdate(_POD, work.DatumPatch(status="done", output="counted 160,993 words\n")),
)

EXAMPLES: dict[Any, Any] = {
    **{instance.__class__: instance for instance in _INSTANCES},
    str: __version__,
    records.JobAnswer | records.JobsPage: records.JobsPage([_JOB], after=None),
    records.JobAnswer | plan.PlanAnswer: plan.PlanAnswer(_PLAN),
    events.JobState | events.JobProgress: _STATE,
    records.DatumDescription | None: records.DatumDescription(_DATUM, [_INPUT]),
}
"""By the type that an operation declares."""
