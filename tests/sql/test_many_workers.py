"""Many connections at once, some of them killed: nothing lost, nothing done twice."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

import psycopg

from falconeri.db.jobs import NewJobKey
from falconeri.states import AttemptOutcome, JobStatus, Verdict
from falconeri.wire.work import Claim, Report, WorkAnswer
from tests.conftest import Connect
from tests.sql import recount
from tests.sql.factories import DONE, ask, complete, failed, make_job, progress
from tests.sql.interleaving import notified

T = TypeVar("T")

WORKERS = 8
DATUMS = 2_000
KILL_EACH = 40

End = tuple[UUID, int, AttemptOutcome]


@dataclass
class Tally:
    """What the workers know for certain, and a bell for whoever kills their connections."""

    ends: list[End] = field(default_factory=list[End])
    killed: int = 0
    bell: threading.Condition = field(default_factory=threading.Condition)
    over: bool = False

    def note(self, end: End) -> None:
        with self.bell:
            self.ends.append(end)
            if len(self.ends) % KILL_EACH == 0:
                self.bell.notify()


class Worker:
    """A pod whose connection may break at any moment: it then asks the same again."""

    def __init__(self, connect: Connect, job: NewJobKey, number: int, tally: Tally) -> None:
        self.connect, self.job, self.tally = connect, job, tally
        self.pod = f"pod-{number}"
        self.random = random.Random(number)  # noqa: S311 - the same failures in each run
        self.conn = self._connected()

    def _connected(self) -> psycopg.Connection:
        conn = self.connect()
        conn.execute("set application_name = 'victim'")
        return conn

    def _insist(self, call: Callable[[], T]) -> T:
        while True:
            try:
                return call()
            except psycopg.OperationalError:
                self.conn.close()
                self.conn = self._connected()

    def run(self) -> None:
        answer = self._ask()
        while answer.verdict is not Verdict.ENDED:
            answer = self._work(answer.claim) if answer.claim else self._ask()

    def _ask(self) -> WorkAnswer:
        return self._insist(lambda: ask(self.conn, self.job, self.pod))

    def _work(self, held: Claim) -> WorkAnswer:
        report = self._report()
        answer = self._insist(lambda: complete(self.conn, held, self.pod, report, claim_next=True))
        self.tally.note((held.datum_id, held.attempt, report.outcome))
        return answer

    def _report(self) -> Report:
        return failed() if self.random.random() < 0.1 else DONE


def kill_some(conn: psycopg.Connection, tally: Tally) -> None:
    """Kill one worker's connection each time the bell rings."""
    while True:
        with tally.bell:
            tally.bell.wait_for(
                lambda: tally.over or len(tally.ends) >= KILL_EACH * (tally.killed + 1)
            )
            if tally.over:
                return
        conn.execute(
            """
            select pg_terminate_backend(pid) from pg_stat_activity
            where application_name = 'victim' and datname = current_database()
            order by state <> 'active', random() limit 1
            """
        )
        tally.killed += 1


def test_nothing_is_lost_or_doubled_while_connections_die(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_job(conn, DATUMS, max_tries=2)
    listener, killer = connect(), connect()
    listener.execute("listen falconeri_job")
    tally = Tally()
    workers = [Worker(connect, job, i, tally) for i in range(WORKERS)]
    with ThreadPoolExecutor(WORKERS + 1) as pool:
        killing = pool.submit(kill_some, killer, tally)
        running = [pool.submit(worker.run) for worker in workers]
        try:
            for each in running:
                each.result()
        finally:
            with tally.bell:
                tally.over = True
                tally.bell.notify()
        killing.result()

    assert tally.killed > 10
    rows = conn.execute(
        "select falconeri._datum_id(job_no, seq), attempt, outcome::text from falconeri.attempts"
    ).fetchall()
    recorded = [(row[0], row[1], AttemptOutcome(row[2])) for row in rows]
    assert len(tally.ends) == len(set(tally.ends))
    assert sorted(recorded) == sorted(tally.ends)
    found = progress(conn, job)
    assert found.done + found.error == DATUMS
    assert found.status is (JobStatus.ERROR if found.error else JobStatus.DONE)
    assert notified(listener).count(str(job.job_id)) == 1
    recount.check(conn, job)
