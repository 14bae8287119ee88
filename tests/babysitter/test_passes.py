"""What the babysitter finds, with a real database and a real local cluster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from falconeri.babysitter.passes import Babysitter
from falconeri.cluster.base import WaitingWorkers
from falconeri.cluster.local import LocalCluster
from falconeri.db import controls, datums, jobs, outputs, waits
from falconeri.db.pool import Database
from falconeri.states import FailureClass, JobStatus
from falconeri.tokens import make_token
from falconeri.wire.work import Claim
from tests.cluster.factories import eventually, shell
from tests.sql.factories import DONE, failed

PASSWORD = "secret"
SPEC = {"transform": {"cmd": ["true"], "image": "none", "secrets": []}}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[LocalCluster]:
    """Its workers only write their token and wait."""
    script = 'cp "$FALCONERI_PASSWORD_FILE" "$FALCONERI_SCRATCH/../token"; exec sleep 1000'
    with LocalCluster(
        tmp_path, slots=2, worker_environment={}, worker_command=shell(script), sandbox=False
    ) as cluster:
        yield cluster


@pytest.fixture
def babysitter(database_url: str, cluster: LocalCluster) -> Iterator[Babysitter]:
    db = Database(database_url, size=2, name="babysitter")
    yield Babysitter(db, cluster, PASSWORD)
    db.close()


def make_job(
    conn: psycopg.Connection,
    *,
    max_tries: int = 1,
    timeout_s: int | None = None,
    count: int = 1,
    memory: tuple[str, ...] = (),
) -> UUID:
    with conn.transaction():
        key = jobs.create_job(
            conn,
            pipeline_name="words",
            pipeline_spec=SPEC,
            command=["true"],
            egress_uri="file:///",
            parallelism=2,
            max_tries=max_tries,
            timeout_s=timeout_s,
            memory=memory,
        )
        jobs.copy_datums(conn, job_no=key.job_no, datums=[b"[]"] * count)
        jobs.start_job(conn, job_no=key.job_no)
    return key.job_id


def claim(conn: psycopg.Connection, job_id: UUID, pod: str = "pod") -> Claim:
    answer = datums.claim_datum(conn, job_id=job_id, pod_name=pod, node_name="n", leased=True)
    assert answer.claim
    return answer.claim


def leave_behind(conn: psycopg.Connection, *uris: str) -> UUID:
    """End a job as an error whose only attempt had registered these files."""
    job_id = make_job(conn)
    held = claim(conn, job_id)
    outputs.register_outputs(
        conn, datum_id=held.datum_id, pod_name="pod", attempt=1, uris=list(uris)
    )
    datums.complete_and_claim(
        conn, datum_id=held.datum_id, pod_name="pod", attempt=1, report=failed(), claim_next=False
    )
    return job_id


def deletions(conn: psycopg.Connection) -> list[str]:
    return [row[0] for row in conn.execute("select uri from falconeri.deletions order by uri")]


def test_running_job_gets_workers_with_its_token_and_an_ended_one_loses_them(
    babysitter: Babysitter, cluster: LocalCluster, conn: psycopg.Connection, tmp_path: Path
) -> None:
    job_id = make_job(conn)

    babysitter.look_around()
    # A file is seen before its content is.
    tokens = eventually(
        lambda: {path.read_text() for path in tmp_path.glob("pods/*/token")} - {""},
        what="a worker",
    )
    assert tokens == {make_token(PASSWORD, job_id)}

    jobs.cancel_job(conn, job_id=job_id)
    babysitter.look_around()
    assert cluster.running_jobs() == set()
    assert cluster.live_workers() == set()


def test_workers_of_a_paused_job_end_when_they_hold_nothing_and_come_back(
    babysitter: Babysitter, cluster: LocalCluster, conn: psycopg.Connection
) -> None:
    held = claim(conn, job_id := make_job(conn, count=2))
    controls.pause_job(conn, job_id=job_id)
    babysitter.start_workers(job_id)  # as the task does that was deferred with it
    eventually(cluster.live_workers, what="a worker")

    datums.complete_and_claim(
        conn, datum_id=held.datum_id, pod_name="pod", attempt=1, report=DONE, claim_next=True
    )
    babysitter.look_around()
    assert cluster.live_workers() == set()

    controls.resume_job(conn, job_id=job_id)
    babysitter.start_workers(job_id)
    eventually(cluster.live_workers, what="a worker")


def test_datum_of_a_pod_that_does_not_exist_is_given_back(
    babysitter: Babysitter, conn: psycopg.Connection
) -> None:
    held = claim(conn, job_id := make_job(conn, max_tries=2), "a-pod-of-an-earlier-life")
    babysitter.began -= 3600
    conn.execute("update falconeri.claims set claimed_at = claimed_at - interval '1 minute'")

    babysitter.look_around()

    again = claim(conn, job_id, "another-pod")
    assert (again.datum_id, again.attempt) == (held.datum_id, 2)


def test_datum_claimed_a_moment_ago_is_left_alone(
    babysitter: Babysitter, conn: psycopg.Connection
) -> None:
    job_id = make_job(conn)
    babysitter.began -= 3600
    claim(conn, job_id, "a-pod-not-seen-yet")

    babysitter.look_around()

    assert jobs.job_progress(conn, job_id=job_id).running == 1


def test_job_over_its_time_ends(babysitter: Babysitter, conn: psycopg.Connection) -> None:
    job_id = make_job(conn, timeout_s=60)
    conn.execute("update falconeri.jobs set created_at = created_at - interval '2 minutes'")

    babysitter.look_around()

    assert jobs.describe_job(conn, job_id=job_id).status is JobStatus.ERROR


def test_objects_of_failed_attempts_are_deleted(
    babysitter: Babysitter, conn: psycopg.Connection, tmp_path: Path
) -> None:
    (left := tmp_path / "left.txt").touch()
    leave_behind(conn, f"file://{left}", f"file://{tmp_path}/never-uploaded.txt")

    babysitter.delete_leftovers()

    assert not left.exists()
    assert deletions(conn) == []


def test_object_that_cannot_be_deleted_keeps_no_other_from_it(
    babysitter: Babysitter, conn: psycopg.Connection, tmp_path: Path
) -> None:
    (left := tmp_path / "z.txt").touch()
    (tmp_path / "a-directory").mkdir()
    leave_behind(conn, f"file://{tmp_path}/a-directory", f"file://{left}")

    babysitter.delete_leftovers()

    assert not left.exists()
    assert deletions(conn) == [f"file://{tmp_path}/a-directory"]
    held = claim(conn, make_job(conn), "its-pod")
    outputs.register_outputs(
        conn, datum_id=held.datum_id, pod_name="its-pod", attempt=1, uris=deletions(conn)
    )


def test_object_that_another_job_has_written_since_stays(
    babysitter: Babysitter, conn: psycopg.Connection, tmp_path: Path
) -> None:
    (shared := tmp_path / "shared.txt").touch()
    leave_behind(conn, f"file://{shared}")
    held = claim(conn, make_job(conn), "its-pod")
    outputs.register_outputs(
        conn,
        datum_id=held.datum_id,
        pod_name="its-pod",
        attempt=1,
        uris=[f"file://{shared}"],
    )

    babysitter.delete_leftovers()

    assert shared.exists()


def end(conn: psycopg.Connection, *, days_ago: int) -> UUID:
    """A job that was canceled so long ago."""
    jobs.cancel_job(conn, job_id=(job_id := make_job(conn)))
    conn.execute(
        "update falconeri.jobs set finished_at = now() - make_interval(days => %s) where id = %s",
        (days_ago, job_id),
    )
    return job_id


def job_ids(conn: psycopg.Connection) -> set[UUID]:
    return {job.id for job in jobs.list_jobs(conn).jobs}


def test_jobs_are_kept_for_ever_unless_told_otherwise(
    babysitter: Babysitter, conn: psycopg.Connection
) -> None:
    old = end(conn, days_ago=10_000)

    babysitter.delete_old_jobs()

    assert job_ids(conn) == {old}


def test_jobs_are_deleted_when_they_ended_longer_ago_than_they_are_kept(
    babysitter: Babysitter, conn: psycopg.Connection
) -> None:
    babysitter.retention_s = 30 * 86400
    running = make_job(conn)
    conn.execute("update falconeri.jobs set created_at = now() - interval '1 year'")
    young = end(conn, days_ago=29)
    for _ in range(2):
        end(conn, days_ago=31)

    babysitter.delete_old_jobs()

    assert job_ids(conn) == {running, young}
    assert conn.execute("select count(*) from falconeri.jobs").fetchone() == (2,)


def test_deletion_that_was_begun_is_finished_but_not_while_we_stop(
    babysitter: Babysitter, conn: psycopg.Connection
) -> None:
    jobs.cancel_job(conn, job_id=(job_id := make_job(conn, count=3)))
    assert controls.delete_job(conn, job_id=job_id, limit=1)

    babysitter.stopping.set()
    babysitter.delete_old_jobs()
    assert conn.execute("select datum_count from falconeri.jobs").fetchone() == (2,)

    babysitter.stopping.clear()
    babysitter.delete_old_jobs()
    assert conn.execute("select count(*) from falconeri.jobs").fetchone() == (0,)


def test_progress_of_running_jobs_is_noted(
    babysitter: Babysitter, conn: psycopg.Connection
) -> None:
    job_id = make_job(conn)

    babysitter.sample_progress()

    assert conn.execute("select job_id, ended from report.progress").fetchall() == [(job_id, 0)]


def test_what_workers_wait_for_is_noted_and_forgotten(
    babysitter: Babysitter,
    cluster: LocalCluster,
    conn: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job_id = make_job(conn)
    # A local cluster never says so; how Kubernetes does is the business of its own tests.
    said = [WaitingWorkers(job_id, "image", "no/such:image can't be pulled", 2)]
    monkeypatch.setattr(cluster, "waiting_workers", lambda: said)

    babysitter.look_around()
    noted = waits.list_waits(conn, job_id=job_id)
    said.clear()
    babysitter.look_around()

    assert [(each.reason, each.pod_count) for each in noted] == [("image", 2)]
    assert waits.list_waits(conn, job_id=job_id) == []


def test_a_datum_that_ran_out_of_memory_gets_workers_of_the_next_rung(
    babysitter: Babysitter, cluster: LocalCluster, conn: psycopg.Connection
) -> None:
    job_id = make_job(conn, memory=("1Gi", "2Gi"))
    babysitter.start_workers(job_id)
    lowest = eventually(cluster.live_workers, what="a worker")
    held = claim(conn, job_id)
    datums.complete_and_claim(
        conn,
        datum_id=held.datum_id,
        pod_name="pod",
        attempt=1,
        report=failed(FailureClass.OUT_OF_MEMORY),
        claim_next=False,
    )

    babysitter.start_workers(job_id)  # as the task does that was deferred with it

    eventually(lambda: len(cluster.live_workers()) == 2, what="one worker more")
    conn.execute("delete from falconeri.requeue")  # as if it had been done, and long ago
    conn.execute("update falconeri.rungs set active_at = now() - interval '1 hour'")
    babysitter.look_around()
    assert cluster.live_workers() == lowest
