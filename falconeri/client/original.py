"""A worker's calls to the falconerid of falconeri 2.0.0-alpha.5, in the words of `WorkClient`.

Called by the worker, once that falconerid has turned out not to know ours. It knows neither
attempts nor leases: a pod holds one datum, and is fenced by its name. Nothing tells a worker that
work has come or that its job was ended, so it asks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast
from uuid import UUID

from falconeri.client.transport import Transport
from falconeri.client.work import WorkClient
from falconeri.errors import ClaimLost, InvalidInput
from falconeri.states import AttemptOutcome, JobStatus, Verdict
from falconeri.wire import codec
from falconeri.wire.records import DatumAnswer, DatumDescription, Job, JobAnswer, OutputFile
from falconeri.wire.work import (
    Claim,
    ClaimRequest,
    Completion,
    DatumPatch,
    DatumUpdate,
    Heartbeat,
    HeartbeatAnswer,
    InputRef,
    NewOutputs,
    OutputUpdate,
    OutputUpdates,
    Reservation,
    WorkAnswer,
    WorkerIdentity,
    WorkOrder,
)

MAX_BODY_BYTES = 2 * 2**20
"""What it takes of a request; larger ones are refused for good."""

_NO_LEASE_S = 86_400
"""Claims last until the pod is gone; nobody beats."""

_UPDATES_AT_ONCE = 5_000

_NO_BACKTRACE = "disabled backtrace"
"""What the original's workers say, too: an error without one is refused."""


class OriginalWorkClient(WorkClient):
    """See `WorkClient`; each method raises what that one's does.

    Args:
        transport: To its only port.
        identity: Who works; it asks for more than the end of a datum tells.
    """

    def __init__(self, transport: Transport, identity: WorkerIdentity) -> None:
        super().__init__(transport)
        self._identity = identity

    def register(self, job_id: UUID, identity: WorkerIdentity) -> WorkOrder:
        """Learn what the job is; nobody needs to be told of a worker."""
        del identity
        job = self._job(job_id)
        return WorkOrder(
            job_id=job.id,
            job_name=job.job_name,
            status=job.status,
            command=job.command,
            egress_uri=job.egress_uri,
            lease_s=_NO_LEASE_S,
            pipelining=False,
        )

    def claim(self, job_id: UUID, request: ClaimRequest | WorkerIdentity) -> WorkAnswer:
        """Ask for a datum; a pod that holds one gets that one again.

        It hands out datums of ended jobs, too, and doesn't say why there are none: hence the look
        at the job before and after.
        """
        if self._job(job_id).status.finished:
            return WorkAnswer(Verdict.ENDED)
        reserved = self._reserve(job_id, Reservation(request.node_name, request.pod_name))
        if reserved is None:
            ended = self._job(job_id).status.finished
            return WorkAnswer(Verdict.ENDED if ended else Verdict.EMPTY)
        claim = Claim(
            datum_id=reserved.datum.id,
            attempt=reserved.datum.attempted_run_count,
            inputs=[InputRef(file.uri, file.local_path) for file in reserved.input_files],
        )
        return WorkAnswer(Verdict.CLAIMED, claim)

    def _reserve(self, job_id: UUID, reservation: Reservation) -> DatumDescription | None:
        # A type that the codec understands, though it is no class.
        answer = cast("type[DatumDescription]", DatumDescription | None)
        path = f"jobs/{job_id}/reserve_next_datum"
        return self._transport.fetch("POST", path, answer, body=reservation)

    def complete(self, datum_id: UUID, completion: Completion) -> WorkAnswer:
        """Report the end of an attempt; return the next datum if one was asked for."""
        report = completion.report
        failed = report.outcome is AttemptOutcome.ERROR
        patch = DatumPatch(
            status=report.outcome,
            output=report.output,
            error_message=(report.error_message or "failed") if failed else None,
            backtrace=(report.backtrace or _NO_BACKTRACE) if failed else None,
        )
        update = DatumUpdate(pod_name=completion.pod_name, datum=patch)
        try:
            answer = self._transport.fetch("PATCH", f"datums/{datum_id}", DatumAnswer, body=update)
        except ClaimLost as ex:
            # A repeat: the answer to an earlier try got lost, and it refuses what is done already.
            if f"has status {report.outcome.capitalize()}, expected" not in ex.detail:
                raise
            described = self._transport.fetch(
                "GET", f"datums/{datum_id}/describe", DatumDescription
            )
            answer = DatumAnswer(described.datum)
        if not completion.claim_next:
            return WorkAnswer(Verdict.EMPTY)
        return self.claim(answer.datum.job_id, self._identity)

    def heartbeat(self, job_id: UUID, beat: Heartbeat) -> HeartbeatAnswer:
        """Do nothing: it watches pods."""
        del job_id, beat
        return HeartbeatAnswer(job_status=JobStatus.RUNNING, lost=[])

    def register_outputs(self, datum_id: UUID, outputs: NewOutputs) -> list[OutputFile]:
        """Announce the files of an attempt before the first one is uploaded.

        Raises:
            InvalidInput: More than it takes.
        """
        if len(codec.encode(outputs)) > MAX_BODY_BYTES:
            raise InvalidInput(
                "too many outputs for this falconerid",
                detail=f"{len(outputs.output_files)} files; their names may have 2 MiB in all",
                hint="write fewer files for each datum, or an archive",
            )
        return super().register_outputs(datum_id, outputs)

    def settle_outputs(self, datum_id: UUID, updates: OutputUpdates) -> None:
        """Tell what became of the uploads, in pieces that it takes."""
        for part in _parts(updates.output_files):
            super().settle_outputs(datum_id, OutputUpdates(updates.pod_name, part))

    def _job(self, job_id: UUID) -> Job:
        return self._transport.fetch("GET", f"jobs/{job_id}", JobAnswer).job


def _parts(updates: list[OutputUpdate]) -> Iterator[list[OutputUpdate]]:
    for start in range(0, len(updates), _UPDATES_AT_ONCE):
        yield updates[start : start + _UPDATES_AT_ONCE]
