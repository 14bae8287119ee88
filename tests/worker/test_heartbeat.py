"""Heartbeats, one at a time, against a real server."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from uuid import UUID, uuid4

import pytest

from falconeri.client.retry import ONCE
from falconeri.client.transport import Transport
from falconeri.client.work import WorkClient
from falconeri.errors import ClaimLost, FalconeriError, JobNotFound, JobNotRunning
from falconeri.states import JobStatus
from falconeri.wire.work import Claim, WorkOrder
from falconeri_worker import heartbeat as module
from falconeri_worker.excerpt import Excerpt
from falconeri_worker.heartbeat import TAIL_BYTES, Heartbeat
from falconeri_worker.stopping import Stop
from tests.client.server import Reply, Seen, Server, in_turn, of_json, serving

ORDER = WorkOrder(
    job_id=uuid4(),
    job_name="j",
    status=JobStatus.RUNNING,
    command=["true"],
    egress_uri="file:///e/",
    lease_s=60,
)


def claim() -> Claim:
    return Claim(datum_id=uuid4(), attempt=3, inputs=[])


def alive(*, status: str = "running", lost: tuple[UUID, ...] = ()) -> Reply:
    return of_json({"job_status": status, "lost": [str(each) for each in lost]})


@contextmanager
def beating(reply: Reply | None) -> Generator[tuple[Heartbeat, Server]]:
    with serving(lambda _: reply) as server:
        client = WorkClient(Transport(server.url, "secret", timeout_s=10.0, retries=ONCE))
        yield Heartbeat(client, ORDER, "pod-1"), server


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


def test_a_claim_is_sure_until_a_third_of_its_lease_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    with beating(alive()) as (heartbeat, _), heartbeat.holding(held := claim(), Excerpt()):
        clock.now += 39
        assert heartbeat.is_sure_of(held)
        clock.now += 2
        assert not heartbeat.is_sure_of(held)
        heartbeat.beat()
        assert heartbeat.is_sure_of(held)


def test_a_beat_without_an_answer_makes_no_claim_sure(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    with beating(Reply(503)) as (heartbeat, _), heartbeat.holding(held := claim(), Excerpt()):
        clock.now += 41
        heartbeat.beat()
        assert not heartbeat.is_sure_of(held)


def test_a_beat_says_what_is_held_and_who_holds_it() -> None:
    held = claim()
    with beating(alive()) as (heartbeat, server), heartbeat.holding(held, Excerpt()) as lost:
        assert heartbeat.beat()
        assert not lost.requested

    [seen] = server.seen
    assert seen.path == f"/jobs/{ORDER.job_id}/heartbeat"
    assert json.loads(seen.body) == {
        "pod_name": "pod-1",
        "held": [{"datum_id": str(held.datum_id), "attempt": 3}],
    }


def tails(server: Server) -> list[str | None]:
    """What each beat said of the one attempt."""
    return [json.loads(seen.body)["held"][0].get("log_tail") for seen in server.seen]


def test_a_beat_says_what_the_program_has_printed_since_the_last_one() -> None:
    output = Excerpt()
    with beating(alive()) as (heartbeat, server), heartbeat.holding(claim(), output):
        heartbeat.beat()
        output.add(b"one\n")
        heartbeat.beat()
        heartbeat.beat()
        output.add(b"\xff\0two\n")
        heartbeat.beat()

    assert tails(server) == [None, "one\n", None, "one\n\ufffd␀two\n"]


def test_what_a_beat_that_failed_had_to_say_is_said_by_the_next() -> None:
    output = Excerpt()
    output.add(b"news\n")
    with (
        serving(in_turn(Reply(500), alive())) as server,
        ExitStack() as held,
    ):
        client = WorkClient(Transport(server.url, "secret", timeout_s=10.0, retries=ONCE))
        heartbeat = Heartbeat(client, ORDER, "pod-1")
        held.enter_context(heartbeat.holding(claim(), output))
        assert not heartbeat.beat()
        assert heartbeat.beat()

    assert tails(server) == ["news\n", "news\n"]


def test_next_attempt_says_what_it_prints_though_it_is_the_same() -> None:
    with beating(alive()) as (heartbeat, server):
        for _ in range(2):
            output = Excerpt()
            output.add(b"begun\n")
            with heartbeat.holding(claim(), output):
                heartbeat.beat()

    assert tails(server) == ["begun\n", "begun\n"]


def test_a_beat_stays_small_whatever_is_printed() -> None:
    output = Excerpt()
    output.add(b"x" * 1_000_000)
    with beating(alive()) as (heartbeat, server), heartbeat.holding(claim(), output):
        heartbeat.beat()

    assert tails(server) == ["x" * TAIL_BYTES]


def test_who_holds_nothing_does_not_beat() -> None:
    with beating(alive()) as (heartbeat, server):
        with heartbeat.holding(claim(), Excerpt()):
            pass
        assert heartbeat.beat()
        assert server.seen == []


def test_a_lost_claim_becomes_a_wish_to_stop() -> None:
    held, other = claim(), claim()
    with (
        beating(alive(lost=(held.datum_id,))) as (heartbeat, _),
        heartbeat.holding(other, Excerpt()) as kept,
        heartbeat.holding(held, Excerpt()) as lost,
    ):
        assert heartbeat.beat()
        assert not kept.requested
        with pytest.raises(ClaimLost):
            lost.check()


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (alive(status="canceled"), JobNotRunning),
        (of_json({"code": "job_not_running", "message": "m"}, 409), JobNotRunning),
        (of_json({"code": "job_not_found", "message": "m"}, 404), JobNotFound),
        (of_json({"code": "claim_lost", "message": "m"}, 403), ClaimLost),
    ],
)
def test_the_end_of_a_job_stops_everything(reply: Reply, reason: type[FalconeriError]) -> None:
    with beating(reply) as (heartbeat, _), heartbeat.holding(claim(), Excerpt()) as lost:
        heartbeat.beat()
        with pytest.raises(reason):
            lost.check()


@pytest.mark.parametrize("trouble", [Reply(500), Reply(503), Reply(401), None])
def test_trouble_on_the_way_stops_nothing(trouble: Reply | None) -> None:
    with beating(trouble) as (heartbeat, _), heartbeat.holding(claim(), Excerpt()) as lost:
        assert not heartbeat.beat()
        assert not lost.requested


def test_an_answer_about_a_claim_let_go_meanwhile_does_not_stop_the_next_one() -> None:
    held = claim()
    with ExitStack() as first, ExitStack() as second:
        wishes: list[Stop] = []

        def hold_again_and_answer(_: Seen) -> Reply:
            first.close()
            again = Claim(datum_id=held.datum_id, attempt=4, inputs=[])
            wishes.append(second.enter_context(heartbeat.holding(again, Excerpt())))
            return alive(lost=(held.datum_id,))

        server = second.enter_context(serving(hold_again_and_answer))
        client = WorkClient(Transport(server.url, "secret", timeout_s=10.0, retries=ONCE))
        heartbeat = Heartbeat(client, ORDER, "pod-1")
        wishes.append(first.enter_context(heartbeat.holding(held, Excerpt())))

        assert heartbeat.beat()

        assert [wish.requested for wish in wishes] == [False, False]
