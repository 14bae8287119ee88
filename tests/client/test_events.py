"""A client that watches a job, whatever becomes of its connections."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from falconeri.client.events import Watching
from falconeri.client.retry import RetryPolicy
from falconeri.client.transport import Transport
from falconeri.errors import FalconeriError, JobNotFound, Unauthorized, Unavailable
from falconeri.states import JobStatus
from falconeri.wire.events import JobEvent, JobState
from tests.client.server import Chunks, Reply, Script, Seen, Server, in_turn, of_json, serving
from tests.client.test_jobs import JOB, JOB_ID, progress

STATE: dict[str, Any] = {
    "event": "state",
    "job_id": str(JOB_ID),
    "job_name": JOB["job_name"],
    "status": "running",
    "paused": False,
    "parallelism": 10,
    "error_message": None,
}
PROGRESS: dict[str, Any] = {"event": "progress", **progress("running", 0)["progress"]}
DONE = STATE | {"status": "done"}
ALL_DONE = {"event": "progress", **progress("done", 2)["progress"]}


def text(*events: dict[str, Any], id_: str | None = None) -> bytes:
    """What a server sends of these at once."""
    blocks = [
        f"event: {event['event']}\ndata: ".encode() + msgspec.json.encode(event) + b"\n\n"
        for event in events
    ]
    mark = f"id: {id_}\n".encode() if id_ else b""
    return b"".join([*blocks[:-1], mark, *blocks[-1:]])


def stream(*parts: bytes, cut: bool = False) -> Chunks:
    return Chunks(parts, b"" if cut else b"0\r\n\r\n")


def by_path(**scripts: Script) -> Script:
    """Answer by the last part of the path; `job` is for the job itself."""

    def answer(seen: Seen) -> Reply | Chunks | None:
        last = seen.path.rpartition("/")[2]
        return scripts[last if last in scripts else "job"](seen)

    return answer


def watch(server: Server, pauses: list[float] | None = None) -> list[JobEvent]:
    transport = Transport(
        server.url, "secret", timeout_s=10.0, retries=RetryPolicy(deadline_s=10.0, base_s=0.001)
    )
    made = [] if pauses is None else pauses
    return list(Watching(transport, transport, JOB_ID, pause=made.append))


def told(events: list[JobEvent]) -> list[str]:
    return [
        f"{event.status}{' paused' * event.paused}"
        if isinstance(event, JobState)
        else f"{event.done}/{event.total}"
        for event in events
    ]


def test_a_stream_is_told_as_it_comes_to_its_end() -> None:
    parts = (
        b"retry: 2000\n\n",
        text(PROGRESS, STATE, id_="a"),
        b":\n\n",
        text(PROGRESS | {"done": 1, "ready": 1, "datums_per_s": 0.5}, id_="b"),
        b"event: of a newer falconerid\ndata: x\n\n",
        text(ALL_DONE, DONE, id_="c"),
    )
    with serving(in_turn(stream(*parts))) as server:
        events = watch(server)

    assert told(events) == ["0/2", "running", "1/2", "2/2", "done"]
    assert [(seen.method, seen.path) for seen in server.seen] == [("GET", f"/jobs/{JOB_ID}/events")]
    assert server.seen[0].headers["Accept"] == "text/event-stream"


@pytest.mark.parametrize("cut", [True, False])
def test_a_stream_that_ends_early_is_asked_for_again_and_nothing_is_told_twice(cut: bool) -> None:  # noqa: FBT001
    script = by_path(
        events=in_turn(
            stream(b"retry: 2000\n\n" + text(PROGRESS, STATE, id_="a"), cut=cut),
            stream(text(PROGRESS, STATE), text(ALL_DONE, DONE)),
        ),
        progress=in_turn(of_json(progress("running", 0)["progress"])),
        job=in_turn(of_json({"job": JOB})),
    )
    pauses: list[float] = []
    with serving(script) as server:
        events = watch(server, pauses)

    assert told(events) == ["0/2", "running", "2/2", "done"]
    streams = [seen for seen in server.seen if seen.path.endswith("/events")]
    assert [seen.headers.get("Last-Event-ID") for seen in streams] == [None, "a"]
    assert all(1.0 <= pause <= 3.0 for pause in pauses)
    assert len(pauses) == 1


def test_the_originals_falconerid_is_asked_for_the_job_now_and_then() -> None:
    script = by_path(
        events=in_turn(Reply(404)),
        progress=in_turn(Reply(404)),
        job=in_turn(
            of_json({"job": JOB}), of_json({"job": JOB}), of_json({"job": JOB | {"status": "done"}})
        ),
    )
    pauses: list[float] = []
    with serving(script) as server:
        events = watch(server, pauses)

    assert told(events) == ["running", "done"]
    asked = [seen.path.rpartition("/")[2] for seen in server.seen]
    assert (asked.count("events"), asked.count("progress")) == (1, 1)
    assert len(pauses) == 2


def test_waiting_port_that_is_out_of_reach_is_made_up_for_by_the_other() -> None:
    script = by_path(
        events=in_turn(None),
        progress=in_turn(
            of_json(progress("running", 0)["progress"]), of_json(progress("done", 2)["progress"])
        ),
        job=in_turn(
            of_json({"job": JOB | {"paused": True}}), of_json({"job": JOB | {"status": "done"}})
        ),
    )
    with serving(script) as server:
        assert told(watch(server)) == ["0/2", "running paused", "2/2", "done"]


def test_what_a_poll_cannot_know_is_as_the_stream_has_told_it() -> None:
    script = by_path(
        events=in_turn(stream(text(STATE)), None),
        progress=in_turn(Reply(404)),
        job=in_turn(of_json({"job": JOB | {"status": "done"}})),
    )
    with serving(script) as server:
        *_, last = watch(server)

    assert last == msgspec.convert(DONE, JobState)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (of_json({"code": "job_not_found", "message": "m"}, 404), JobNotFound),
        (Reply(401), Unauthorized),
        (Reply(503), Unavailable),
    ],
)
def test_what_no_patience_helps_is_raised(reply: Reply, error: type[FalconeriError]) -> None:
    with serving(in_turn(reply)) as server, pytest.MonkeyPatch.context() as patch:
        patch.setattr("falconeri.client.events.ROLLOUT", RetryPolicy(deadline_s=0.1, base_s=0.001))
        with pytest.raises(error):
            watch(server)


def test_job_that_is_deleted_meanwhile_is_not_found() -> None:
    gone = of_json({"code": "job_not_found", "message": "m"}, 404)
    script = by_path(events=in_turn(stream(text(STATE))), job=in_turn(gone))
    with serving(script) as server, pytest.raises(JobNotFound):
        watch(server)


def test_an_ended_job_is_told_in_one_go() -> None:
    with serving(in_turn(stream(text(ALL_DONE, DONE)))) as server:
        *_, last = watch(server)

    assert isinstance(last, JobState)
    assert last.status is JobStatus.DONE
