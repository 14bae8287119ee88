"""From a pipeline spec to a running job: list, plan, write, start.

The buckets are listed before a connection is taken (`spool`). The rows and the request for workers
are one transaction: a job exists with all that belongs to it, or not at all.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from msgspec import UNSET

from falconeri.db import jobs as db_jobs
from falconeri.errors import SecretNotFound
from falconeri.log import get_logger
from falconeri.pipeline.credentials import job_credentials
from falconeri.pipeline.datums import plan_datums
from falconeri.server.spool import spooled, write_datums
from falconeri.storage import Storage, open_storage
from falconeri.storage.uri import parse, require_local
from falconeri.wire.spec import stored_form

if TYPE_CHECKING:
    from psycopg import Connection

    from falconeri.db.jobs import NewJobKey
    from falconeri.server.requests import Request
    from falconeri.server.services import Services
    from falconeri.server.spool import SpooledPlan
    from falconeri.wire.spec import PipelineSpec

log = get_logger(__name__)


def submit(services: Services, spec: PipelineSpec, request: Request | None = None) -> UUID:
    """Create a job and ask for its workers; return its id.

    Args:
        request: One that was answered before gets that job again; None: each makes another.

    Raises:
        RequestKeyReused: The request's key was used for another spec.
        InvalidInput: A URI that can't be one, a name that the table refuses, two inputs of a datum
            in the same place.
        TooManyDatums: More than FALCONERI_MAX_DATUMS.
        ObjectNotFound, StorageDenied, StorageError: An input can't be listed.
        SecretNotFound: The spec names a secret that the cluster doesn't have.
        Unavailable: The database is away, or too many jobs are being made.
    """
    if request is not None:
        with services.db.connection() as conn:
            known = request.answered(conn)
        if known is not None:
            return known
    max_datums = services.max_datums
    with (
        services.submissions.slot(),
        listed(services, spec) as plan,
        services.db.transaction() as conn,
    ):
        make = partial(_make_job, conn, spec, plan, max_datums)
        return make() if request is None else request.answer(conn, make)


@contextmanager
def listed(services: Services, spec: PipelineSpec) -> Generator[SpooledPlan]:
    """Check what a spec names outside of the database, and list its inputs.

    Raises:
        InvalidInput, TooManyDatums, StorageError, SecretNotFound: See `submit`.
    """

    def open_(uri: str) -> Storage:
        return open_storage(uri, job_credentials(spec.transform.secrets, uri, services.read_secret))

    _require_fitting_patch(spec)
    _require_secrets(services, spec)
    open_(spec.egress.uri)
    require_local(parse(spec.egress.uri))
    with spooled(plan_datums(spec.input, open_), max_datums=services.max_datums) as plan:
        yield plan


def begin_job(conn: Connection, spec: PipelineSpec) -> NewJobKey:
    """Begin a job, without datums so far.

    Raises:
        InvalidInput: A name or a number that the table refuses.
    """
    return db_jobs.create_job(
        conn,
        pipeline_name=spec.pipeline.name,
        pipeline_spec=stored_form(spec),
        command=spec.transform.cmd,
        egress_uri=spec.egress.uri,
        parallelism=spec.parallelism_spec.constant,
        max_tries=spec.max_tries,
        timeout_s=spec.timeout_s,
        retry_delay_s=spec.retry_delay_s,
        memory=spec.resource_requests.memory_rungs,
    )


def _make_job(conn: Connection, spec: PipelineSpec, plan: SpooledPlan, max_datums: int) -> UUID:
    key = begin_job(conn, spec)
    count = write_datums(conn, plan, job_no=key.job_no, max_datums=max_datums)
    db_jobs.start_job(conn, job_no=key.job_no, datum_count=count)
    log.info("job_created", job_id=key.job_id, datums=count)
    return key.job_id


def _require_fitting_patch(spec: PipelineSpec) -> None:
    """Refuse a patch that goes nowhere before there is a job that it would end."""
    if spec.pod_patch is not UNSET:
        from falconeri.cluster.manifest import check_patch  # noqa: PLC0415  (few specs have one)

        check_patch(stored_form(spec))


def _require_secrets(services: Services, spec: PipelineSpec) -> None:
    """Refuse a spec whose workers could never start."""
    for secret in spec.transform.secrets:
        if secret.optional is True:
            continue
        keys = services.read_secret(secret.name)
        if secret.key is not UNSET and secret.key not in keys:
            raise SecretNotFound(detail=f"the secret {secret.name!r} has no key {secret.key!r}")
