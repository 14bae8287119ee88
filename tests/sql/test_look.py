"""What operators and the REST API see."""

from uuid import UUID, uuid4

import psycopg

from falconeri.db import controls, datums, jobs, workers
from falconeri.db.jobs import NewJobKey, WorkCounts
from falconeri.errors import DatumNotFound, InvalidInput, JobNotFound
from falconeri.states import DatumStatus, JobStatus
from tests.sql.factories import (
    claim,
    complete,
    datum,
    datum_id,
    failed,
    make_job,
    refused,
    set_now,
    value,
)


def test_fresh_datum_is_ready_and_never_tried(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1, max_tries=3)

    found = datum(conn, datum_id(conn, job, 1))

    assert (found.status, found.job_id) == (DatumStatus.READY, job.job_id)
    assert (found.attempted_run_count, found.maximum_allowed_run_count) == (0, 3)
    assert (found.pod_name, found.node_name, found.output, found.error_message) == (None,) * 4


def test_unknown_datums_are_not_found(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)
    for unknown in (uuid4(), datum_id(conn, job, 0), datum_id(conn, job, 2)):
        with refused(DatumNotFound):
            datums.describe_datum(conn, datum_id=unknown)
        with refused(DatumNotFound):
            datums.list_inputs(conn, datum_id=unknown)
    with refused(DatumNotFound):
        datums.find_job_of_datum(conn, datum_id=uuid4())
    unknown_job = value(conn, "select falconeri._datum_id(%s, 1)", job.job_no + 1)
    with refused(DatumNotFound):
        datums.find_job_of_datum(conn, datum_id=unknown_job)


def test_input_file_is_no_datum(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)
    (file,) = datums.list_inputs(conn, datum_id=datum_id(conn, job, 1))

    with refused(DatumNotFound):
        datums.describe_datum(conn, datum_id=file.id)
    with refused(DatumNotFound):
        datums.find_job_of_datum(conn, datum_id=file.id)


def test_unknown_jobs_are_not_found(conn: psycopg.Connection) -> None:
    with refused(JobNotFound):
        jobs.describe_job(conn, job_id=uuid4())
    with refused(JobNotFound):
        jobs.job_progress(conn, job_id=uuid4())
    with refused(JobNotFound):
        jobs.find_job(conn, job_name="nobody-0123456789")
    with refused(JobNotFound):
        datums.list_running_datums(conn, job_id=uuid4(), limit=1)
    with refused(JobNotFound):
        datums.list_failed_datums(conn, job_id=uuid4(), limit=1)


def test_job_is_found_by_its_name(conn: psycopg.Connection) -> None:
    job = make_job(conn)
    name = jobs.describe_job(conn, job_id=job.job_id).job_name

    assert jobs.find_job(conn, job_name=name) == job.job_id


def test_jobs_are_listed_newest_first(conn: psycopg.Connection) -> None:
    first, second = make_job(conn), make_job(conn, 0)

    listed = jobs.list_jobs(conn).jobs

    assert [(j.id, j.status) for j in listed] == [
        (second.job_id, JobStatus.DONE),
        (first.job_id, JobStatus.RUNNING),
    ]
    assert listed[0] == jobs.describe_job(conn, job_id=second.job_id)


def test_pages_of_jobs_go_on_where_a_job_was_deleted(conn: psycopg.Connection) -> None:
    oldest, middle, newest = (make_job(conn, 0) for _ in range(3))
    page = jobs.list_jobs(conn, limit=2)
    assert [job.id for job in page.jobs] == [newest.job_id, middle.job_id]

    controls.delete_job(conn, job_id=middle.job_id, limit=9)

    page = jobs.list_jobs(conn, after=page.after, limit=2)
    assert [job.id for job in page.jobs] == [oldest.job_id]
    assert jobs.list_jobs(conn, after=page.after).jobs == []


def test_pages_of_jobs_go_on_from_nothing_but_a_page(conn: psycopg.Connection) -> None:
    job = make_job(conn)

    for other in (job.job_id, datum_id(conn, job, 1)):
        with refused(InvalidInput):
            jobs.list_jobs(conn, after=other)


def test_job_of_a_datum_is_found(conn: psycopg.Connection) -> None:
    make_job(conn)
    job = make_job(conn)

    assert datums.find_job_of_datum(conn, datum_id=datum_id(conn, job, 2)) == job.job_id


def test_inputs_are_listed_in_the_order_of_the_spec(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)
    conn.execute(
        """
        update falconeri.datum_chunks set inputs = '[[
          {"uri": "s3://in/z", "local_path": "/pfs/z"}, {"uri": "s3://in/a", "local_path": "/pfs/a"}
        ]]'
        """
    )

    files = datums.list_inputs(conn, datum_id=datum_id(conn, job, 1))

    assert [(f.uri, f.local_path) for f in files] == [
        ("s3://in/z", "/pfs/z"),
        ("s3://in/a", "/pfs/a"),
    ]
    assert {(f.job_id, f.datum_id) for f in files} == {(job.job_id, datum_id(conn, job, 1))}
    assert len({f.id for f in files}) == 2


def test_running_datums_are_listed_the_longest_held_first(conn: psycopg.Connection) -> None:
    job = make_job(conn, 4)
    held = [claim(conn, job, f"pod-{i}") for i in range(3)]
    set_now(conn, in_s=10)
    complete(conn, held[0], "pod-0")
    claim(conn, job, "pod-0")

    found = datums.list_running_datums(conn, job_id=job.job_id, limit=2)

    assert [(d.id, d.pod_name) for d in found] == [
        (held[1].datum_id, "pod-1"),
        (held[2].datum_id, "pod-2"),
    ]
    jobs.cancel_job(conn, job_id=job.job_id)
    assert datums.list_running_datums(conn, job_id=job.job_id, limit=9) == []


def test_failed_datums_are_those_that_will_not_run_again(conn: psycopg.Connection) -> None:
    job = make_job(conn, 3, max_tries=2)
    twice = claim(conn, job)
    complete(conn, twice, report=failed())
    complete(conn, claim(conn, job), report=failed())
    once = claim(conn, job)
    complete(conn, once, report=failed())
    complete(conn, claim(conn, job, slot=1))

    found = datums.list_failed_datums(conn, job_id=job.job_id, limit=9)

    assert [(d.id, d.status, d.attempted_run_count) for d in found] == [
        (twice.datum_id, DatumStatus.ERROR, 2)
    ]
    assert datums.list_failed_datums(conn, job_id=job.job_id, limit=0) == []


def test_page_of_failed_datums_is_full_whatever_has_failed_for_now(
    conn: psycopg.Connection,
) -> None:
    job = make_job(conn, 2, max_tries=2)
    first, second = claim(conn, job), claim(conn, job, slot=1)
    complete(conn, second, report=failed())
    complete(conn, claim(conn, job, slot=1), report=failed())
    complete(conn, first, report=failed())

    found = listed(conn, job, DatumStatus.ERROR)

    assert found == [second.datum_id]


def test_what_a_canceled_jobs_pods_still_hold_does_not_run(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)
    held = claim(conn, job)
    assert listed(conn, job, DatumStatus.RUNNING) == [held.datum_id]

    jobs.cancel_job(conn, job_id=job.job_id)

    assert listed(conn, job, DatumStatus.RUNNING) == []


def listed(conn: psycopg.Connection, job: NewJobKey, status: DatumStatus) -> list[UUID]:
    page = datums.list_datums(conn, job_id=job.job_id, status=status, after=None, limit=1)
    return [found.id for found in page]


def test_attempts_at_a_datum_are_listed_the_first_one_first(conn: psycopg.Connection) -> None:
    older, job, younger = (make_job(conn, 2, max_tries=3) for _ in range(3))
    for pod in "cba":
        workers.register_worker(conn, job_id=job.job_id, pod_name=pod, node_name="n")
    for each, pods in ((younger, "x"), (job, "abc"), (older, "yz")):
        for pod in pods:
            complete(conn, claim(conn, each, pod), pod, failed())
        complete(conn, claim(conn, each, "pod-1"))
    # Else they come in order by chance. Now the first are the last rows, and are read as they lie;
    # and the pods came the other way round.
    conn.execute("update falconeri.attempts set output = 'first' where attempt = 1")
    for plan in ("indexscan", "bitmapscan"):
        conn.execute(f"set enable_{plan} = off".encode())

    found = datums.list_attempts(conn, datum_id=datum_id(conn, job, 1))

    assert [(tried.attempt, tried.pod_name) for tried in found] == [(1, "a"), (2, "b"), (3, "c")]
    assert {tried.datum_id for tried in found} == {datum_id(conn, job, 1)}


def test_datum_never_tried_has_no_attempts_and_one_that_is_not_there_is_refused(
    conn: psycopg.Connection,
) -> None:
    job = make_job(conn, 1)

    assert datums.list_attempts(conn, datum_id=datum_id(conn, job, 1)) == []
    with refused(DatumNotFound):
        datums.list_attempts(conn, datum_id=datum_id(conn, job, 2))


def test_work_is_counted_of_running_jobs_alone(conn: psycopg.Connection) -> None:
    assert jobs.count_work(conn) == WorkCounts(0, 0, 0)
    one, other, canceled = make_job(conn, 3), make_job(conn, 40, shards=None), make_job(conn, 2)
    make_job(conn, 0)
    complete(conn, claim(conn, one))
    claim(conn, one)
    claim(conn, other)
    claim(conn, canceled)
    jobs.cancel_job(conn, job_id=canceled.job_id)

    assert jobs.count_work(conn) == WorkCounts(running_jobs=2, ready_datums=40, running_datums=2)
