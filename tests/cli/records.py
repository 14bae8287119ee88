"""Answers of falconerid for tests, with only what matters spelled out."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from falconeri.states import DatumStatus, JobStatus
from falconeri.wire.records import Datum, Job, Progress

JOB_ID = UUID(int=1)
DATUM_ID = UUID(int=2)
AT = datetime(2018, 7, 6, 11, 27, 50)  # noqa: DTZ001  (the wire's times have no zone)


def job(**fields: Any) -> Job:  # noqa: ANN401  (any field)
    made = Job(
        id=JOB_ID,
        created_at=AT,
        updated_at=AT,
        status=JobStatus.RUNNING,
        pipeline_spec={},
        job_name="book-words-a1b2c3d4e5",
        command=["true"],
        egress_uri="gs://b/out/",
    )
    return msgspec.structs.replace(made, **fields)


def datum(**fields: Any) -> Datum:  # noqa: ANN401  (any field)
    made = Datum(
        id=DATUM_ID,
        created_at=AT,
        updated_at=AT,
        status=DatumStatus.DONE,
        job_id=JOB_ID,
        error_message=None,
        node_name=None,
        pod_name=None,
        backtrace=None,
        output=None,
        attempted_run_count=1,
        maximum_allowed_run_count=3,
    )
    return msgspec.structs.replace(made, **fields)


def progress(**fields: Any) -> Progress:  # noqa: ANN401  (any field)
    made = Progress(
        job_id=JOB_ID,
        job_name="book-words-a1b2c3d4e5",
        status=JobStatus.RUNNING,
        total=10,
        ready=10,
        running=0,
        done=0,
        error=0,
        canceled=0,
        failed_attempts=0,
        recovered=0,
    )
    return msgspec.structs.replace(made, **fields)
