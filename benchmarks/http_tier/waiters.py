"""A program: thousands of workers that wait for work at the waiting port.

    python -m benchmarks.http_tier.waiters

Its first line is a `Settings`. When all wait it says how long it took until all had asked. To each
further line, a `Command`, it answers by `Told`. Who is told `empty` asks again, as workers do.
"""

from __future__ import annotations

import select
import sys
import time
from collections.abc import Callable
from enum import StrEnum
from typing import NoReturn
from uuid import UUID

from msgspec import Struct

from benchmarks.http_tier import talk
from benchmarks.http_tier.connection import Connection, Login
from falconeri.server.sockets import allow_many
from falconeri.states import AttemptOutcome, FailureClass, Verdict
from falconeri.wire import codec
from falconeri.wire.work import (
    Claim,
    Completion,
    Report,
    WaitForWork,
    WorkAnswer,
    WorkerIdentity,
)


class Command(StrEnum):
    """What wakes them."""

    FAIL = "fail"
    """The datum in work fails, so that another worker gets it."""
    RESUME = "resume"
    """The job goes on, and all get something."""
    CANCEL = "cancel"
    """The job ends, and all are told."""


_NODE = "node"
_HOLDER = "pod-holder"
_FAILED = Report(
    outcome=AttemptOutcome.ERROR, failure_class=FailureClass.COMMAND, error_message="failed"
)


class Settings(Struct, frozen=True, kw_only=True):
    """Who waits, and where.

    Args:
        rest: The REST port, with the admin's password.
        waiting: The waiting port, with the job's token.
        hold_s: How long each lets its request be held. The first ones end evenly spread over this
            time, as those of workers do that began to wait at different moments.
    """

    rest: Login
    waiting: Login
    job_id: UUID
    count: int
    hold_s: float


class Told(Struct, frozen=True):
    """Seconds from a command's sending until each who was told something knew it, in order."""

    after_s: list[float]


class _Waiter:
    """Waits again and again until it is told something else than `empty`."""

    def __init__(self, settings: Settings, number: int) -> None:
        self.pod = f"pod-{number}"
        self.connection = Connection(settings.waiting)
        self._path = f"/jobs/{settings.job_id}/wait_for_work"
        self._hold_s = settings.hold_s

    def ask(self, hold_s: float | None = None) -> None:
        """Begin to wait."""
        wish = WaitForWork(self.pod, _NODE, self._hold_s if hold_s is None else hold_s)
        self.connection.send(self._path, codec.encode(wish))

    def told(self) -> WorkAnswer | None:
        """Take what has come; what it was told, if anything."""
        if (body := self.connection.receive()) is None:
            return None
        answer = codec.decode(body, WorkAnswer)
        if answer.verdict is Verdict.EMPTY:
            self.ask()
            return None
        return answer


class _Crowd:
    """All of them, on one thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._job = f"/jobs/{settings.job_id}"
        self._rest = Connection(settings.rest)
        self._poll = select.epoll()
        self._poll.register(sys.stdin, select.EPOLLIN)
        self._poll.register(self._rest, select.EPOLLIN)
        self._waiters: dict[int, _Waiter] = {}
        self._holder: _Waiter | None = None
        self._claim: Claim | None = None
        self._told: list[tuple[float, _Waiter, WorkAnswer]] = []
        self._command: Command | None = None
        self._answered = False

    def gather(self) -> float:
        """Let somebody claim what there is, and all others wait; how long until all have asked."""
        holder = WorkerIdentity(_HOLDER, _NODE)
        answer = self._rest.ask(f"{self._job}/claim", codec.encode(holder))
        self._claim = codec.decode(answer, WorkAnswer).claim
        began = time.perf_counter()
        count = self._settings.count
        for number in range(count):
            waiter = _Waiter(self._settings, number)
            waiter.ask(self._settings.hold_s * (number + 1) / count)
            self._waiters[waiter.connection.fileno()] = waiter
            self._poll.register(waiter.connection, select.EPOLLIN)
        return time.perf_counter() - began

    def obey(self) -> NoReturn:
        """Do what is said on stdin."""
        while True:
            self._run_until(lambda: self._command is not None)
            command, self._command = self._command, None
            if command is Command.FAIL:
                talk.say(Told([self._fail()]))
            elif command is not None:
                talk.say(Told(self._change_job(command)))

    def _fail(self) -> float:
        """Fail the datum in work; the seconds until another one has it."""
        claim = self._claim
        if claim is None:
            raise LookupError("nobody holds a datum")
        body = Completion(
            pod_name=self._holder.pod if self._holder else _HOLDER,
            attempt=claim.attempt,
            report=_FAILED,
            claim_next=False,
        )
        after_s = self._wake(f"/datums/{claim.datum_id}/complete", codec.encode(body), 1)
        _, woken, answer = self._told[0]
        if self._holder:
            self._holder.ask()  # it waits now, like the others
            self._poll.register(self._holder.connection, select.EPOLLIN)
        self._holder, self._claim = woken, answer.claim
        return after_s[0]

    def _change_job(self, command: Command) -> list[float]:
        waiting = len(self._waiters) - (self._holder is not None)
        return self._wake(f"{self._job}/{command}", b"", waiting)

    def _wake(self, path: str, body: bytes, count: int) -> list[float]:
        """Send a request, and wait until so many have been told something."""
        self._told = []
        self._answered = False
        began = time.perf_counter()
        self._rest.send(path, body)
        self._run_until(lambda: self._answered and len(self._told) >= count)
        return [at - began for at, _, _ in self._told]

    def _run_until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            for number, _ in self._poll.poll():
                if number == sys.stdin.fileno():
                    self._command = talk.hear(Command)
                elif number == self._rest.fileno():
                    self._answered = self._rest.receive() is not None
                elif answer := self._waiters[number].told():
                    self._told.append((time.perf_counter(), self._waiters[number], answer))
                    self._poll.unregister(number)  # it asks nothing more, and will be cut off


def main() -> None:
    """Do what is said on stdin."""
    allow_many()
    crowd = _Crowd(talk.hear(Settings))
    talk.say(crowd.gather())
    crowd.obey()


if __name__ == "__main__":
    main()
