"""A program: clients that send one request after the other, for as long as they are told to.

    python -m benchmarks.http_tier.load

Its first line is a `Settings`; when all clients are connected and warm it says `Done`. Each further
line is a number of seconds, to which it answers what was done in them.
"""

from __future__ import annotations

import select
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, Protocol
from uuid import UUID

from msgspec import Struct

from benchmarks.http_tier import talk
from benchmarks.http_tier.connection import Connection, Login
from falconeri.client.retry import ONCE
from falconeri.client.transport import Transport
from falconeri.client.work import WorkClient
from falconeri.states import AttemptOutcome, Verdict
from falconeri.wire import codec
from falconeri.wire.work import (
    Completion,
    CompletionAnswer,
    Report,
    WorkAnswer,
    WorkerIdentity,
)

Kind = Literal["empty", "sockets", "WorkClient"]

_WARM_UP_S = 0.3
_NODE = "node"
_REPORT = Report(
    outcome=AttemptOutcome.DONE,
    output="some output",
    exit_code=0,
    bytes_in=1,
    bytes_out=2,
    cpu_s=0.1,
    peak_memory_bytes=1000,
)
_NO_DATUM = UUID(int=0)
_EMPTY_REQUEST = codec.encode(Completion(pod_name="pod-0", attempt=1, report=_REPORT))


class Settings(Struct, frozen=True, kw_only=True):
    """What the clients do.

    Args:
        kind: `empty`: the same request again and again. `sockets`: datums are claimed and completed
            by clients that cost little. `WorkClient`: by threads with a worker's own client.
        job_id: Whose datums.
    """

    kind: Kind
    login: Login
    connections: int
    job_id: UUID


class Done(Struct, frozen=True):
    """What a burst came to; a `busy` answer is a request, but not a step."""

    steps: int
    elapsed_s: float


class NoneLeft(Exception):
    """The job has too few datums for what is measured."""


class Clients(Protocol):
    """All of them."""

    def burst(self, seconds: float) -> Done:
        """Let them work so long.

        Raises:
            NoneLeft, Refused: They can't.
        """
        ...

    def close(self) -> None:
        """Let them go."""
        ...


class _Empty:
    """Sends the same all the time."""

    def __init__(self, settings: Settings) -> None:
        self.connection = Connection(settings.login)

    def send(self) -> None:
        self.connection.send(f"/datums/{_NO_DATUM}/complete", _EMPTY_REQUEST)

    def take(self, answer: bytes) -> bool:
        """Whether it was a step."""
        del answer
        return True


class _Worker:
    """Completes a datum and gets the next, as a worker does."""

    def __init__(self, settings: Settings, number: int) -> None:
        self.connection = Connection(settings.login)
        self._pod = f"pod-{settings.connections}-{number}"
        self._claim_path = f"/jobs/{settings.job_id}/claim"
        who = WorkerIdentity(self._pod, _NODE)
        self._identity = codec.encode(who)
        self.connection.ask(f"/jobs/{settings.job_id}/workers", self._identity)
        self._work = WorkAnswer(verdict=Verdict.EMPTY)

    def send(self) -> None:
        if claim := self._work.claim:
            done = Completion(pod_name=self._pod, attempt=claim.attempt, report=_REPORT)
            self.connection.send(f"/datums/{claim.datum_id}/complete", codec.encode(done))
        else:
            self.connection.send(self._claim_path, self._identity)

    def take(self, answer: bytes) -> bool:
        """Whether it was a step: a datum completed and another one claimed."""
        if self._work.claim:
            self._work = _some(codec.decode(answer, CompletionAnswer).next)
            return self._work.claim is not None
        self._work = _some(codec.decode(answer, WorkAnswer))
        return False


class _BySockets:
    """One thread, all connections."""

    def __init__(self, clients: list[_Empty] | list[_Worker]) -> None:
        self._clients = {client.connection.fileno(): client for client in clients}
        self._poll = select.epoll()
        for number in self._clients:
            self._poll.register(number, select.EPOLLIN)

    def burst(self, seconds: float) -> Done:
        began = time.perf_counter()
        for client in self._clients.values():
            client.send()
        steps, busy = 0, len(self._clients)
        while busy:
            for number, _ in self._poll.poll():
                client = self._clients[number]
                if (answer := client.connection.receive()) is None:
                    continue
                steps += client.take(answer)
                if time.perf_counter() - began < seconds:
                    client.send()
                else:
                    busy -= 1
        return Done(steps, time.perf_counter() - began)

    def close(self) -> None:
        self._poll.close()
        for client in self._clients.values():
            client.connection.close()


class _ByThreads:
    """A thread for each client, and the connections of a worker process for each thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        login = settings.login
        self._url = f"http://{login.host}:{login.port}/"
        self._transports = [self._transport() for _ in range(settings.connections)]
        self._clients = [WorkClient(transport) for transport in self._transports]
        self._until = 0.0

    def burst(self, seconds: float) -> Done:
        began = time.perf_counter()
        self._until = began + seconds
        count = len(self._clients)
        with ThreadPoolExecutor(count) as pool:
            steps = sum(pool.map(self._work, range(count)))
        return Done(steps, time.perf_counter() - began)

    def close(self) -> None:
        for transport in self._transports:
            transport.connections.close()

    def _transport(self) -> Transport:
        return Transport(self._url, self._settings.login.password, timeout_s=30, retries=ONCE)

    def _work(self, number: int) -> int:
        client = self._clients[number]
        who = WorkerIdentity(f"pod-thread-{number}", _NODE)
        work = _some(client.claim(self._settings.job_id, who))
        steps = 0
        while time.perf_counter() < self._until:
            if claim := work.claim:
                done = Completion(pod_name=who.pod_name, attempt=claim.attempt, report=_REPORT)
                work = _some(client.complete(claim.datum_id, done))
                steps += work.claim is not None
            else:
                work = _some(client.claim(self._settings.job_id, who))
        return steps


def _some(work: WorkAnswer) -> WorkAnswer:
    """The same; `busy` is an answer of a job that has some.

    Raises:
        NoneLeft: There is no datum.
    """
    if work.claim is None and work.verdict is not Verdict.BUSY:
        raise NoneLeft(work.verdict)
    return work


def make_clients(settings: Settings) -> Clients:
    """Connect them."""
    numbers = range(settings.connections)
    match settings.kind:
        case "empty":
            return _BySockets([_Empty(settings) for _ in numbers])
        case "sockets":
            return _BySockets([_Worker(settings, number) for number in numbers])
        case "WorkClient":
            return _ByThreads(settings)


def main() -> None:
    """Do what is said on stdin."""
    clients = make_clients(talk.hear(Settings))
    talk.say(clients.burst(_WARM_UP_S))
    for seconds in talk.heard(float):
        talk.say(clients.burst(seconds))


if __name__ == "__main__":
    main()
