"""Two falconerids behind a balancer; one of them goes, or the database, in the middle of a job."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from falconeri.local import Server
from falconeri.local.state import LocalState
from falconeri.tokens import make_token
from tests import processes
from tests.conftest import CopyState
from tests.databases import fresh_database
from tests.folders import public_folder
from tests.server.balancer import Balancer, balancing
from tests.server.conftest import spec
from tests.server.crew import Crew
from tests.server.falconerid import PASSWORD, Falconerid, running

DATUMS = 1000
WORKERS = 6
ROWS = """
select count(*), count(distinct a.seq), bool_and(a.outcome = 'done' and a.attempt = 1 and a.final),
  (select count(distinct o.uri) from falconeri.output_files o
   where o.job_no = j.job_no and o.status = 'done'),
  (select count(*) from falconeri.output_files o where o.job_no = j.job_no)
from falconeri.jobs j join falconeri.attempts a using (job_no)
where j.id = %s group by j.job_no
"""


@dataclass
class Replicas:
    """Both of them, and one port of each kind for both."""

    first: Falconerid
    second: Falconerid
    rest: Balancer
    waiting: Balancer


@contextmanager
def two(database_url: str, state: Path) -> Generator[Replicas]:
    with (
        running(database_url, state) as first,
        running(database_url, state) as second,
        balancing([first.port, second.port]) as rest,
        balancing([first.wait_port, second.wait_port]) as waiting,
    ):
        yield Replicas(first, second, rest, waiting)


@pytest.fixture
def replicas(tmp_path: Path) -> Iterator[Replicas]:
    with fresh_database() as url, two(url, tmp_path) as both:
        yield both


@contextmanager
def at_work(replicas: Replicas, directory: Path) -> Generator[tuple[UUID, Crew]]:
    """A job with workers that are in the middle of it."""
    answer = replicas.second.call("POST", "/jobs", {"job": spec(directory, DATUMS)})
    job_id = UUID(answer.json["job"]["id"])
    urls = (
        f"http://127.0.0.1:{replicas.rest.port}/",
        f"http://127.0.0.1:{replicas.waiting.port}/",
    )
    with Crew(job_id, urls, make_token(PASSWORD, job_id), size=WORKERS) as crew:
        crew.wait_for(DATUMS // 4)
        assert min(replicas.rest.served.values()) > 0
        yield job_id, crew
        crew.finish()


def check(database_url: str, job_id: UUID, crew: Crew) -> None:
    """Nothing is lost, nothing is doubled."""
    assert len(crew.done) == len(set(crew.done)) == DATUMS
    with psycopg.connect(database_url) as conn:
        assert conn.execute(ROWS, (job_id,)).fetchone() == (DATUMS, DATUMS, True, DATUMS, DATUMS)


def test_killed_replica_loses_and_doubles_nothing(replicas: Replicas, tmp_path: Path) -> None:
    with at_work(replicas, tmp_path) as (job_id, crew):
        replicas.first.process.kill()
        assert len(crew.done) < DATUMS

    check(replicas.first.database_url, job_id, crew)


def test_stopped_replica_answers_whatever_has_reached_it(
    replicas: Replicas, tmp_path: Path
) -> None:
    with at_work(replicas, tmp_path) as (job_id, crew):
        assert replicas.first.stop() == 0
        assert len(crew.done) < DATUMS

    assert (replicas.rest.cut, replicas.waiting.cut) == (0, 0)
    check(replicas.first.database_url, job_id, crew)


@pytest.fixture
def state(used_state: CopyState) -> Iterator[Path]:
    with public_folder("replicas") as directory:
        used_state(directory / "state")
        yield directory
        processes.wait_until_nothing_is_left(directory)


def test_restarted_postgres_loses_and_doubles_nothing(state: Path, tmp_path: Path) -> None:
    stored = LocalState(state / "state").postgres
    postgres = Server.start(stored, durable=False)
    try:
        with two(postgres.url, state) as replicas, at_work(replicas, tmp_path) as (job_id, crew):
            postgres.stop()
            assert len(crew.done) < DATUMS
            port = postgres.address.port
            postgres = Server.start(stored, durable=False, port=port)
            crew.finish()

            check(postgres.url, job_id, crew)
    finally:
        postgres.stop()
