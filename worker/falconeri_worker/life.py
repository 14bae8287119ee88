"""The life of a worker: it introduces itself to falconerid, then its crew works.

Called by `main`, in the main thread.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from falconeri.client.retry import PATIENT
from falconeri.client.transport import Transport
from falconeri.client.work import WorkClient
from falconeri.errors import JobNotFound, JobNotRunning, NotFound
from falconeri.log import get_logger
from falconeri.wire.work import WorkerIdentity, WorkOrder
from falconeri_worker.settings import Settings
from falconeri_worker.stopping import Termination

if TYPE_CHECKING:
    from falconeri_worker.crew import Speak

_TRY_TIMEOUT_S = 30.0

log = get_logger(__name__)


def work_for(job_id: UUID, settings: Settings, termination: Termination, *, adopting: bool) -> None:
    """Work until the job has ended.

    Args:
        adopting: Whether all children of this process are ours: see `crew.Crew`.

    Raises:
        Terminated: Told to go; the datums in work have been given back, or done in time.
        FalconeriError: falconerid refused us, or was away for too long.
    """
    transport = Transport(
        settings.url,
        settings.password,
        timeout_s=_TRY_TIMEOUT_S,
        retries=PATIENT,
        pause=termination.pause,
    )
    identity = WorkerIdentity(
        pod_name=settings.pod_name, node_name=settings.node_name, rung=settings.rung
    )
    try:
        speak, order = _introduce(job_id, identity, transport)
    except (JobNotFound, JobNotRunning) as ex:
        log.info("job_ended", job_id=job_id, reason=str(ex))
        return
    if order.status.finished:
        log.info("job_ended", job_id=job_id)
        return
    # Not before it is needed: it is the greater part of us, and falconerid should know of us soon.
    from falconeri_worker.crew import Crew  # noqa: PLC0415

    Crew(
        order=order,
        settings=settings,
        identity=identity,
        speak=speak,
        transport=transport,
        termination=termination,
        adopting=adopting,
    ).run()


def _introduce(
    job_id: UUID, identity: WorkerIdentity, transport: Transport
) -> tuple[Speak, WorkOrder]:
    """Learn what the job is, and in which way this falconerid is spoken to."""
    try:
        return WorkClient, WorkClient(transport).register(job_id, identity)
    except JobNotFound:
        raise
    except NotFound:  # of the path: the original's
        from falconeri.client.original import OriginalWorkClient  # noqa: PLC0415 (see above)

        speak = partial(OriginalWorkClient, identity=identity)
        order = speak(transport).register(job_id, identity)
        log.info("original_falconerid", job_id=job_id)
        return speak, order
