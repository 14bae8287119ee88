"""What workers ask of falconerid.

Called by the worker. Each call of an attempt carries the pod's name and the attempt's number, and
may be repeated without harm.
"""

from __future__ import annotations

from uuid import UUID

from falconeri.client.transport import HOLD_MARGIN_S, Transport
from falconeri.wire.records import OutputFile, OutputFilesAnswer, Progress, WaitAnswer
from falconeri.wire.work import (
    ClaimRequest,
    Completion,
    CompletionAnswer,
    Heartbeat,
    HeartbeatAnswer,
    HeldAttempt,
    NewOutputs,
    OutputUpdates,
    TriesLeft,
    WaitForWork,
    WorkAnswer,
    WorkerIdentity,
    WorkOrder,
)


class WorkClient:
    """Typed calls of a worker; every one raises what `Transport.fetch` raises.

    Args:
        transport: To falconerid's REST port; for the waits, to its waiting port.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def register(self, job_id: UUID, identity: WorkerIdentity) -> WorkOrder:
        """Announce a worker, and learn what the job is.

        Raises:
            JobNotFound: There is none.
            JobNotRunning: It has ended.
        """
        return self._transport.fetch("POST", f"jobs/{job_id}/workers", WorkOrder, body=identity)

    def claim(self, job_id: UUID, request: ClaimRequest | WorkerIdentity) -> WorkAnswer:
        """Ask for a datum; a slot that holds one gets that one again.

        Raises:
            JobNotFound: There is none.
        """
        return self._transport.fetch("POST", f"jobs/{job_id}/claim", WorkAnswer, body=request)

    def complete(self, datum_id: UUID, completion: Completion) -> WorkAnswer:
        """Report the end of an attempt; return the next datum if one was asked for.

        Raises:
            ClaimLost: The attempt is over already, and not by this report.
        """
        return self._transport.fetch(
            "POST", f"datums/{datum_id}/complete", CompletionAnswer, body=completion
        ).next

    def tries_left(self, datum_id: UUID, held: HeldAttempt) -> int:
        """Ask how often a datum may still fail by its program's fault, this attempt included.

        Raises:
            ClaimLost: The attempt is over already.
        """
        return self._transport.fetch(
            "POST", f"datums/{datum_id}/tries_left", TriesLeft, body=held
        ).tries_left

    def heartbeat(self, job_id: UUID, beat: Heartbeat) -> HeartbeatAnswer:
        """Extend the leases of what is held, and learn what is not held any more.

        Raises:
            JobNotFound: There is none.
        """
        return self._transport.fetch("POST", f"jobs/{job_id}/heartbeat", HeartbeatAnswer, body=beat)

    def register_outputs(self, datum_id: UUID, outputs: NewOutputs) -> list[OutputFile]:
        """Announce the files of an attempt before the first one is uploaded.

        Raises:
            ClaimLost: The attempt is over.
            OutputClash: Another datum writes one of them, maybe another job's; `detail` says which.
            OutputBusy: One is being deleted: try again in a moment.
            OutputsMismatch: This attempt has announced other files before.
        """
        return self._transport.fetch(
            "POST", f"datums/{datum_id}/output_files", OutputFilesAnswer, body=outputs
        ).output_files

    def settle_outputs(self, datum_id: UUID, updates: OutputUpdates) -> None:
        """Tell what became of the uploads.

        Raises:
            ClaimLost: The attempt is over.
        """
        self._transport.send("PATCH", f"datums/{datum_id}/output_files", body=updates)

    def wait_for_work(self, job_id: UUID, wait: WaitForWork) -> WorkAnswer:
        """Be given a datum as soon as there is one; `empty` when the time is up.

        Raises:
            JobNotFound: There is none.
        """
        transport = self._transport.but(timeout_s=wait.hold_s + HOLD_MARGIN_S)
        return transport.fetch("POST", f"jobs/{job_id}/wait_for_work", WorkAnswer, body=wait)

    def wait_for_end(self, job_id: UUID, *, hold_s: float) -> Progress:
        """Return how the job is when it has ended, or after this time at the latest.

        Raises:
            JobNotFound: There is none.
        """
        transport = self._transport.but(timeout_s=hold_s + HOLD_MARGIN_S)
        query = {"hold_s": f"{hold_s:g}"}
        return transport.fetch("GET", f"jobs/{job_id}/wait", WaitAnswer, query=query).progress
