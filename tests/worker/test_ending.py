"""The wait for a job's end, beside the work."""

from __future__ import annotations

import random
import threading
from uuid import UUID, uuid4

import pytest

from falconeri.client.retry import ONCE
from falconeri.client.transport import Transport
from falconeri.client.work import WorkClient
from falconeri.errors import FalconeriError, JobNotRunning
from falconeri.states import JobStatus
from falconeri.wire import codec
from falconeri.wire.records import Progress, WaitAnswer
from falconeri_worker.ending import EndWatch
from tests.client.server import Reply, in_turn, serving


def answer(job_id: UUID, status: JobStatus) -> Reply:
    counts = dict.fromkeys(("ready", "running", "done", "error", "canceled"), 0)
    progress = Progress(job_id, "words", status, total=0, failed_attempts=0, recovered=0, **counts)
    return Reply(200, codec.encode(WaitAnswer(progress)))


def test_a_port_that_does_not_hold_its_answers_is_not_asked_without_pause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[tuple[float, float]] = []
    told: list[FalconeriError] = []
    ended = threading.Event()
    job_id = uuid4()

    def no_pause(shortest: float, longest: float) -> float:
        pauses.append((shortest, longest))
        return 0.0

    def tell(why: FalconeriError) -> None:
        told.append(why)
        ended.set()

    monkeypatch.setattr(random, "uniform", no_pause)
    running, over = answer(job_id, JobStatus.RUNNING), answer(job_id, JobStatus.DONE)
    with serving(in_turn(running, running, over)) as server:
        transport = Transport(server.url, "secret", timeout_s=10.0, retries=ONCE)
        EndWatch(WorkClient(transport), job_id, tell).start()
        assert ended.wait(30)
        transport.connections.close()

    assert [type(why) for why in told] == [JobNotRunning]
    assert pauses.count((0, 1.0)) == 2, "for the two answers that came early"
