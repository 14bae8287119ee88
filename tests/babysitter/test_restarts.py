"""`falconerid tasks` as a process, with a PostgreSQL of its own that comes and goes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from falconeri.db import jobs
from falconeri.local import Server
from falconeri.local._ports import free_ports
from falconeri.local.state import LocalState
from tests import processes
from tests.babysitter.test_passes import make_job
from tests.conftest import CopyState
from tests.folders import make_folder
from tests.processes import wait_until
from tests.sql.factories import value

UNDER_WAY = """
select max(id) from procrastinate.procrastinate_jobs
where task_name = 'look_around' and status = 'doing'
"""
CUT_OFF = """
select count(pg_terminate_backend(pid)) from pg_stat_activity
where query like '%%finish_job%%' and wait_event_type = 'Lock' and pid <> pg_backend_pid()
"""
"""Ends the connection by which the end of a task is about to be written down."""


@dataclass
class Tasks:
    """The process, and the database that it works for."""

    process: subprocess.Popen[bytes]
    log: Path
    directory: Path
    server: Server
    health_port: int

    def health(self) -> int:
        """What a probe is answered with."""
        url = f"http://127.0.0.1:{self.health_port}/healthz"
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status

    def stop_postgres(self) -> None:
        self.server.stop()

    def start_postgres(self) -> None:
        self.server = _start(self.directory, self.server.address.port)

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(self.server.url, autocommit=True)

    def events(self, name: str) -> int:
        """How often it has logged this."""
        lines = self.log.read_text().splitlines()
        return sum(json.loads(line).get("event") == name for line in lines if line.startswith("{"))

    def wait_for_event(self, name: str, times: int = 1) -> None:
        def logged() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            return self.events(name) >= times

        wait_until(logged)

    def make_job(self) -> UUID:
        """A job that asks for workers by a background task."""
        with self.connect() as conn:
            return make_job(conn)

    def has_worker(self, job_id: UUID) -> bool:
        return bool(processes.find(self.directory, f"falconeri_worker {job_id}"))

    def is_stopped(self) -> int:
        """Ask it to end as Kubernetes does; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)


def _start(directory: Path, port: int | None = None) -> Server:
    return Server.start(LocalState(directory / "state").postgres, durable=False, port=port)


@pytest.fixture
def tasks(used_state: CopyState) -> Iterator[Tasks]:
    directory = make_folder("tasks")
    used_state(directory / "state")
    server = _start(directory)
    log = directory / "log"
    health_port, _ = free_ports()
    environment = os.environ | {
        "FALCONERI_DATABASE_URL": server.url,
        "FALCONERI_PASSWORD": "secret",
        "FALCONERI_STATE": str(directory / "state"),
        "FALCONERI_LOCAL_SLOTS": "2",
        "FALCONERI_LISTEN_HOST": "127.0.0.1",
        "FALCONERI_HEALTH_PORT": str(health_port),
        "FALCONERI_JOB_RETENTION": "1h",
        "FALCONERI_URL": "http://127.0.0.1:9/",  # nobody is there: workers wait for it
        "FALCONERI_WAIT_URL": "http://127.0.0.1:9/",
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "falconeri.daemon", "tasks"], env=environment, stderr=output
        )
    tasks = Tasks(process, log, directory, server, health_port)
    try:
        tasks.wait_for_event("tasks_ready")
        yield tasks
    finally:
        process.kill()
        process.wait()
        sys.stderr.write(log.read_text())  # pytest shows it of a test that failed
        tasks.stop_postgres()
        processes.wait_until_nothing_is_left(directory)
        shutil.rmtree(directory)


def test_restart_of_postgres_ends_neither_tasks_nor_its_workers(tasks: Tasks) -> None:
    before = tasks.make_job()
    wait_until(lambda: tasks.has_worker(before))
    worker = processes.find(tasks.directory, f"falconeri_worker {before}")

    tasks.stop_postgres()
    tasks.wait_for_event("tasks_interrupted")
    assert tasks.health() == 200, "a restart of ours brings no database back"
    tasks.start_postgres()
    after = tasks.make_job()

    wait_until(lambda: tasks.has_worker(after))
    assert worker <= processes.find(tasks.directory, f"falconeri_worker {before}")
    assert tasks.process.poll() is None
    assert tasks.is_stopped() == 0


def test_absent_postgres_is_awaited_for_ever_and_said_so_at_intervals(tasks: Tasks) -> None:
    for times in (3, 1):
        said, ready = tasks.events("tasks_interrupted"), tasks.events("tasks_ready")
        tasks.stop_postgres()
        tasks.wait_for_event("tasks_interrupted", said + times)
        tasks.start_postgres()
        tasks.wait_for_event("tasks_ready", ready + 1)

    job_id = tasks.make_job()
    wait_until(lambda: tasks.has_worker(job_id))


def test_pass_whose_end_could_not_be_written_down_keeps_no_other_from_beginning(
    tasks: Tasks,
) -> None:
    with tasks.connect() as conn, tasks.connect() as holder:
        with tasks.connect() as hindrance:
            hindrance.execute("begin")
            hindrance.execute("lock table falconeri.claims")
            number = wait_until(lambda: value(conn, UNDER_WAY))
            holder.execute("begin")
            holder.execute(
                "select from procrastinate.procrastinate_jobs where id = %s for update", (number,)
            )
            hindrance.execute("rollback")
        wait_until(lambda: value(conn, CUT_OFF))
        holder.execute("rollback")

        tasks.wait_for_event("task_was_cut_off")

        left = "select count(*) from procrastinate.procrastinate_jobs where id = %s"
        wait_until(lambda: value(conn, left, number) == 0)


def test_tasks_can_be_stopped_while_postgres_is_away(tasks: Tasks) -> None:
    job_id = tasks.make_job()
    wait_until(lambda: tasks.has_worker(job_id))
    tasks.stop_postgres()

    assert tasks.is_stopped() == 0

    assert not tasks.has_worker(job_id)
    assert tasks.events("tasks_stopped") == 1


def test_tasks_can_be_stopped_while_they_wait_for_postgres(tasks: Tasks) -> None:
    tasks.stop_postgres()
    tasks.wait_for_event("tasks_interrupted", 3)

    assert tasks.is_stopped() == 0

    assert tasks.events("tasks_stopped") == 1


def test_old_jobs_are_deleted_and_progress_is_noted(tasks: Tasks) -> None:
    old, young, running = (tasks.make_job() for _ in range(3))
    with tasks.connect() as conn:
        for job_id in (old, young):
            jobs.cancel_job(conn, job_id=job_id)
        conn.execute(
            "update falconeri.jobs set finished_at = finished_at - interval '61 min' where id = %s",
            (old,),
        )

        wait_until(lambda: {job.id for job in jobs.list_jobs(conn).jobs} == {young, running})
        wait_until(lambda: conn.execute("select job_id from report.progress").fetchone())
