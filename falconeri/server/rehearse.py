"""What a spec would run: the same steps as for a job, of which nothing remains.

A plan is refused for what a job would be refused for, because the job is begun, checked and rolled
back. Nothing is multiplied, so that it costs little more than the listing. Called by the endpoint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET

from falconeri.db import plans as db_plans
from falconeri.errors import SecretNotFound
from falconeri.pipeline.extent import atoms_of, extent_of, first_datums
from falconeri.server.spool import SAMPLED, check_datums
from falconeri.server.submit import begin_job, listed
from falconeri.wire.plan import JobPlan, PlannedInput, PlannedSecret, Size

if TYPE_CHECKING:
    from falconeri.pipeline.extent import Extent, ListedAtom
    from falconeri.server.services import Services
    from falconeri.wire.spec import PipelineSpec, Secret

LISTED_RIVALS = 100
"""How many running jobs a plan names at most."""


def rehearse(services: Services, spec: PipelineSpec) -> JobPlan:
    """Say what would be run.

    Raises:
        InvalidInput, TooManyDatums, StorageError, SecretNotFound, Unavailable: See `submit.submit`.
    """
    max_datums = services.max_datums
    with (
        services.submissions.slot(),
        listed(services, spec) as plan,
        services.db.rehearsal() as conn,
    ):
        key = begin_job(conn, spec)
        datums = check_datums(conn, plan, job_no=key.job_no, max_datums=max_datums)
        rivals = db_plans.list_rivals(conn, job_id=key.job_id, limit=LISTED_RIVALS)
    return JobPlan(
        pipeline_name=spec.pipeline.name,
        image=spec.transform.image,
        command=spec.transform.cmd,
        egress_uri=spec.egress.uri,
        datums=datums,
        max_datums=max_datums,
        size=_size(extent_of(plan.atoms)),
        inputs=[_input(atom) for atom in atoms_of(plan.atoms)],
        sample=first_datums(plan.atoms, SAMPLED),
        parallelism=spec.parallelism_spec.constant,
        memory=spec.resource_requests.least_memory,
        cpu=spec.resource_requests.cpu,
        max_tries=spec.max_tries,
        retry_delay_s=spec.retry_delay_s,
        timeout_s=spec.timeout_s,
        secrets=[_secret(services, secret) for secret in spec.transform.secrets],
        rivals=rivals,
        memory_rungs=spec.resource_requests.memory_rungs,
    )


def _input(listed_atom: ListedAtom) -> PlannedInput:
    atom, extent = listed_atom.atom, listed_atom.extent
    return PlannedInput(
        atom.uri, atom.repo, atom.glob, listed_atom.matches, extent.datums, _size(extent)
    )


def _size(extent: Extent) -> Size:
    return Size(
        extent.total_bytes,
        extent.smallest_bytes,
        extent.mean_bytes,
        extent.largest_bytes,
        extent.exact,
    )


def _secret(services: Services, secret: Secret) -> PlannedSecret:
    def given(value: object) -> str | None:
        return None if value is UNSET else str(value)

    return PlannedSecret(
        secret.name,
        given(secret.mount_path),
        given(secret.key),
        given(secret.env_var),
        found=_is_found(services, secret),
    )


def _is_found(services: Services, secret: Secret) -> bool:
    try:
        keys = services.read_secret(secret.name)
    except SecretNotFound:  # an optional one: `listed` has refused the others
        return False
    return secret.key is UNSET or secret.key in keys
