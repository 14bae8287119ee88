"""Workers of a job that do nothing but call: the real client, the real waiting, no commands."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self
from uuid import UUID

from falconeri.client.retry import ONCE, RetryPolicy
from falconeri.client.transport import Transport
from falconeri.client.work import WorkClient
from falconeri.states import AttemptOutcome, OutputStatus, Verdict
from falconeri.wire.work import (
    Claim,
    Completion,
    NewOutput,
    NewOutputs,
    OutputUpdate,
    OutputUpdates,
    Report,
    WorkAnswer,
    WorkerIdentity,
)
from falconeri_worker.waiting import Polled, Told, ToldOrPolled
from tests.processes import wait_until

_PATIENT = RetryPolicy(deadline_s=60.0, base_s=0.05, cap_s=0.5)
"""A worker's, for tests: as often, but soon."""


class Crew:
    """Some workers, each a thread.

    Args:
        urls: Of the REST port and of the waiting port.
        token: Of the job's workers.
    """

    def __init__(self, job_id: UUID, urls: tuple[str, str], token: str, *, size: int) -> None:
        self.done: list[UUID] = []
        """The datums that were worked on, as often as they were."""
        self._job_id = job_id
        self._urls = urls
        self._token = token
        self._size = size

    def __enter__(self) -> Self:
        self._threads = ThreadPoolExecutor(self._size)
        self._ends: list[Future[None]] = [
            self._threads.submit(self._work, f"pod-{number}") for number in range(self._size)
        ]
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown()

    def wait_for(self, count: int) -> None:
        """Until they have worked on so many datums."""
        wait_until(lambda: len(self.done) >= count or any(end.done() for end in self._ends))
        if len(self.done) < count:
            self.finish()  # raises why

    def finish(self) -> None:
        """Until all have been told that the job has ended; raises what one did not expect."""
        for end in self._ends:
            end.result(timeout=60)

    def _work(self, pod: str) -> None:
        url, wait_url = self._urls
        transport = Transport(url, self._token, timeout_s=30.0, retries=_PATIENT)
        client = WorkClient(transport)
        who = WorkerIdentity(pod, "node")

        def claim() -> WorkAnswer:
            return client.claim(self._job_id, who)

        told = Told(
            WorkClient(transport.but(url=wait_url, retries=ONCE)),
            self._job_id,
            who,
            pause=time.sleep,
        )
        waiting = ToldOrPolled(told, Polled(claim, pause=time.sleep))
        out = client.register(self._job_id, who).egress_uri
        answer = claim()
        while answer.verdict is not Verdict.ENDED:
            if answer.claim is None:
                answer = waiting.ask()
            else:
                answer = self._attempt(client, pod, answer.claim, f"{out}{answer.claim.datum_id}")

    def _attempt(self, client: WorkClient, pod: str, claim: Claim, uri: str) -> WorkAnswer:
        new = NewOutputs(pod, [NewOutput(uri)], claim.attempt)
        files = client.register_outputs(claim.datum_id, new)
        done = [OutputUpdate(file.id, OutputStatus.DONE, size_bytes=1) for file in files]
        client.settle_outputs(claim.datum_id, OutputUpdates(pod, done, claim.attempt))
        self.done.append(claim.datum_id)
        report = Report(outcome=AttemptOutcome.DONE)
        return client.complete(claim.datum_id, Completion(pod, claim.attempt, report))
