"""The one place where the database's errors become ours."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg_pool.base import AttemptWithBackoff

from falconeri.db import datums, jobs
from falconeri.db.pool import Database
from falconeri.errors import (
    FalconeriError,
    InvalidInput,
    JobNotFound,
    TookTooLong,
    Unavailable,
)
from falconeri.local import Server
from falconeri.states import AttemptOutcome
from falconeri.wire.work import Report
from tests.conftest import Connect
from tests.folders import public_folder
from tests.processes import wait_until
from tests.sql.factories import make_job
from tests.sql.interleaving import blocked


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    database = Database(database_url, size=1, name="test")
    yield database
    database.close()


def test_functions_error_is_ours_with_a_readable_detail(db: Database) -> None:
    unknown = uuid4()

    with pytest.raises(JobNotFound) as caught, db.connection() as conn:
        jobs.describe_job(conn, job_id=unknown)

    assert caught.value.message == "job not found"
    assert caught.value.detail == f"job_id {unknown}"


def test_text_that_postgres_cannot_keep_is_invalid_input(db: Database) -> None:
    with db.connection() as conn:
        job = make_job(conn, 1)
        answer = datums.claim_datum(
            conn, job_id=job.job_id, pod_name="p", node_name="n", leased=True
        )
    assert answer.claim is not None

    with pytest.raises(InvalidInput), db.connection() as conn:
        datums.complete_and_claim(
            conn,
            datum_id=answer.claim.datum_id,
            pod_name="p",
            attempt=1,
            report=Report(outcome=AttemptOutcome.DONE, output="a\0b"),
            claim_next=False,
        )


def test_defect_of_ours_is_an_internal_error(db: Database) -> None:
    with pytest.raises(FalconeriError) as caught, db.connection() as conn:
        conn.execute("select nonsense")

    assert caught.value.code == "internal"
    assert "42703" in caught.value.detail


def test_transaction_is_undone_by_any_exception(db: Database) -> None:
    class Mishap(Exception):
        pass

    def begin_and_fail() -> None:
        with db.transaction() as conn:
            make_job(conn)
            raise Mishap

    with pytest.raises(Mishap):
        begin_and_fail()

    with db.connection() as conn:
        assert jobs.list_jobs(conn).jobs == []


def test_broken_connections_are_replaced_unnoticed(db: Database, connect: Connect) -> None:
    with db.connection() as conn:
        pid = conn.info.backend_pid
    connect().execute("select pg_terminate_backend(%s, 10000)", (pid,))

    with db.connection() as conn:
        assert jobs.list_jobs(conn).jobs == []
        assert conn.info.backend_pid != pid


def test_database_that_was_away_for_long_is_found_soon(
    server_state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As after ten minutes of trying, which double the pauses of the pool.
    monkeypatch.setattr(AttemptWithBackoff, "INITIAL_DELAY", 600.0)
    server = Server.start(server_state, durable=False)
    database = Database(server.url, size=1, name="test")
    server.stop()
    with pytest.raises(Unavailable), database.connection():
        pass

    with Server.start(server_state, durable=False, port=server.address.port):
        wait_until(lambda: is_there(database))
        database.close()


@pytest.fixture
def server_state() -> Iterator[Path]:
    with public_folder("pool") as state:
        yield state


def is_there(database: Database) -> bool:
    try:
        with database.connection():
            return True
    except Unavailable:
        return False


def test_connection_lost_in_the_middle_is_unavailable(db: Database, connect: Connect) -> None:
    def lose_the_connection() -> None:
        with db.connection() as conn:
            connect().execute("select pg_terminate_backend(%s, 10000)", (conn.info.backend_pid,))
            conn.execute("select 1")

    with pytest.raises(Unavailable):
        lose_the_connection()


@pytest.fixture
def hasty(database_url: str) -> Iterator[Database]:
    database = Database(
        database_url, size=1, name="test", statement_limit_s=0.3, reading_limit_s=0.2
    )
    yield database
    database.close()


def statement_limit(conn: psycopg.Connection) -> tuple[str] | None:
    return conn.execute("show statement_timeout").fetchone()


def test_statement_that_waits_for_a_lock_ends_in_time(hasty: Database, connect: Connect) -> None:
    locker = connect()
    locker.execute("begin")
    locker.execute("lock table falconeri.jobs in access exclusive mode")

    with pytest.raises(TookTooLong) as caught, hasty.reading() as conn:
        jobs.list_jobs(conn)
    with pytest.raises(TookTooLong), hasty.connection() as conn:
        jobs.list_jobs(conn)

    assert caught.value.http_status == 504
    locker.execute("rollback")
    with hasty.connection() as conn:
        assert jobs.list_jobs(conn).jobs == []


def test_two_that_wait_for_each_other_are_told_that_it_was_that(
    database_url: str, connect: Connect
) -> None:
    rival = connect()
    rival.execute("create table t (id integer primary key, n integer)")
    rival.execute("insert into t values (1, 0), (2, 0)")
    rival.execute("set deadlock_timeout = '1h'")  # so that it isn't the one that gives up
    database = Database(database_url, size=1, name="test")
    change = "update t set n = n + 1 where id = %s"

    def collide() -> None:
        with database.transaction() as conn, rival.transaction():
            conn.execute("set deadlock_timeout = '10ms'")
            conn.execute(change, (1,))
            rival.execute(change, (2,))
            with blocked(rival, lambda: rival.execute(change, (1,))):
                conn.execute(change, (2,))

    with pytest.raises(Unavailable, match="others changed the same") as caught:
        collide()

    assert caught.value.http_status == 503
    database.close()


def test_each_way_to_lend_a_connection_has_its_limit(hasty: Database) -> None:
    with hasty.connection() as conn:
        assert statement_limit(conn) == ("300ms",)
    with hasty.reading() as conn:
        assert statement_limit(conn) == ("200ms",)
    with hasty.unlimited() as conn:
        assert statement_limit(conn) == ("0",)
    with hasty.transaction() as conn:
        assert statement_limit(conn) == ("0",)
    with hasty.connection() as conn:
        assert statement_limit(conn) == ("300ms",)


def test_limit_is_put_back_after_an_error(hasty: Database) -> None:
    with pytest.raises(FalconeriError), hasty.transaction() as conn:
        conn.execute("select nonsense")

    with hasty.connection() as conn:
        assert statement_limit(conn) == ("300ms",)


def test_closed_pool_is_unavailable(database_url: str) -> None:
    database = Database(database_url, size=1, name="test")
    database.close()

    with pytest.raises(Unavailable), database.connection():
        pass


def test_timestamps_leave_in_utc_without_a_zone(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("set timezone = 'Asia/Tokyo'")
        job = make_job(conn)
        created = jobs.describe_job(conn, job_id=job.job_id).created_at
        same = conn.execute("select (created_at at time zone 'UTC') from falconeri.jobs").fetchone()

    assert (created,) == same
    assert created.tzinfo is None
