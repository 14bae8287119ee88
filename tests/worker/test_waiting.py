"""Ways to wait for work."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable
from types import SimpleNamespace
from uuid import uuid4

import psycopg
import pytest

from falconeri.client.retry import ONCE
from falconeri.client.transport import Transport
from falconeri.client.work import WorkClient
from falconeri.errors import FalconeriError, JobNotFound, NotFound, Unavailable
from falconeri.states import Verdict
from falconeri.wire.work import WorkAnswer, WorkerIdentity
from falconeri_worker.listening import Listened
from falconeri_worker.patience import FIRST_HOLD_S
from falconeri_worker.waiting import Polled, Told, ToldOrPolled
from tests.client.server import in_turn, of_json, serving

ENDED = WorkAnswer(Verdict.ENDED)
EMPTY = WorkAnswer(Verdict.EMPTY)


class Scripted:
    """Answers, or raises, what it is told to."""

    def __init__(self, *answers: WorkAnswer | FalconeriError) -> None:
        self._answers = list(answers)

    def ask(self) -> WorkAnswer:
        answer = self._answers.pop(0)
        if isinstance(answer, FalconeriError):
            raise answer
        return answer


def polled(pauses: list[float], answer: Callable[[], WorkAnswer] = lambda: EMPTY) -> Polled:
    return Polled(answer, pause=pauses.append)


def test_polling_pauses_longer_and_longer_up_to_half_a_minute() -> None:
    pauses: list[float] = []
    polling = polled(pauses)
    for _ in range(8):
        polling.ask()
    for pause, longest in zip(pauses, [2, 4, 8, 16, 30, 30, 30, 30], strict=True):
        assert longest / 2 <= pause <= longest


@pytest.mark.parametrize("trouble", [NotFound(), Unavailable(), FalconeriError()])
def test_a_waiting_port_in_trouble_is_replaced_by_polling_until_it_works(
    trouble: FalconeriError,
) -> None:
    pauses: list[float] = []
    waiting = ToldOrPolled(Scripted(trouble, trouble, EMPTY, trouble, ENDED), polled(pauses))

    answers = [waiting.ask().verdict for _ in range(5)]

    assert answers == [Verdict.EMPTY] * 4 + [Verdict.ENDED]
    assert len(pauses) == 3
    assert pauses[2] <= 2  # short again after the port had worked


def test_a_job_that_is_gone_is_no_trouble_of_the_port() -> None:
    waiting = ToldOrPolled(Scripted(JobNotFound(detail=str(uuid4()))), polled([]))
    with pytest.raises(JobNotFound):
        waiting.ask()


def test_a_waiting_port_that_does_not_hold_its_answers_is_not_asked_without_pause() -> None:
    pauses: list[float] = []
    identity = WorkerIdentity(pod_name="pod-1", node_name="node-1")
    with serving(in_turn(of_json({"verdict": "empty"}), of_json({"verdict": "ended"}))) as server:
        client = WorkClient(Transport(server.url, "secret", timeout_s=10.0, retries=ONCE))
        told = Told(client, uuid4(), identity, pause=pauses.append)
        answers = [told.ask().verdict, told.ask().verdict]

    assert answers == [Verdict.EMPTY, Verdict.ENDED]
    assert len(pauses) == 1
    assert 0 <= pauses[0] <= 1


def test_who_listens_is_told_by_the_database_and_asks_for_nothing_meanwhile(
    database_url: str, conn: psycopg.Connection
) -> None:
    job_id = uuid4()
    asked = threading.Semaphore(0)
    answers = [EMPTY, EMPTY, ENDED]

    def claim() -> WorkAnswer:
        asked.release()
        return answers.pop(0)

    listened = Listened(database_url, claim, job_id, safety_s=3600)
    got: list[Verdict] = []
    waiting = threading.Thread(target=lambda: got.extend(listened.ask().verdict for _ in range(3)))
    waiting.start()
    for payload in (job_id, job_id):
        assert asked.acquire(timeout=60)
        conn.execute("select pg_notify('falconeri_job', %s)", (str(uuid4()),))
        assert not asked.acquire(blocking=False)
        conn.execute("select pg_notify('falconeri_job', %s)", (str(payload),))
    waiting.join(60)
    listened.close()

    assert got == [Verdict.EMPTY, Verdict.EMPTY, Verdict.ENDED]


def test_a_database_that_cannot_be_listened_to_is_replaced_by_polling() -> None:
    listened = Listened("host=127.0.0.1 port=1", lambda: EMPTY, uuid4())
    pauses: list[float] = []

    assert ToldOrPolled(listened, polled(pauses)).ask() == EMPTY
    assert len(pauses) == 1


def test_a_wait_that_was_held_to_its_end_is_followed_by_a_longer_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moments = itertools.count(step=60.0)
    clock = SimpleNamespace(monotonic=lambda: next(moments))
    monkeypatch.setattr("falconeri_worker.patience.time", clock)
    empty = of_json({"verdict": "empty"})
    identity = WorkerIdentity(pod_name="pod-1", node_name="node-1")
    pauses: list[float] = []
    with serving(in_turn(empty, empty)) as server:
        client = WorkClient(Transport(server.url, "secret", timeout_s=10.0, retries=ONCE))
        told = Told(client, uuid4(), identity, pause=pauses.append)
        for _ in range(2):
            told.ask()

    wished = [json.loads(seen.body).get("hold_s", FIRST_HOLD_S) for seen in server.seen]
    assert (wished, pauses) == ([FIRST_HOLD_S, 2 * FIRST_HOLD_S], [])
