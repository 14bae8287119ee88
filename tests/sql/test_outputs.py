import json
from uuid import UUID, uuid4

import psycopg
import pytest

from falconeri.db import jobs, outputs
from falconeri.errors import (
    ClaimLost,
    DatumNotFound,
    InvalidInput,
    JobNotRunning,
    OutputClash,
    OutputsMismatch,
)
from falconeri.states import OutputStatus
from falconeri.wire.work import Claim, OutputUpdate
from tests.conftest import Connect
from tests.sql.factories import claim, complete, failed, make_job, refused, set_clock, value
from tests.sql.interleaving import blocked
from tests.sql.output_calls import A, B, deletions, register, registered, settle


def test_registered_files_wait_for_their_upload(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)
    held = claim(conn, job)

    files = register(conn, held, [B, A])

    assert {f.uri for f in files} == {A, B}
    assert {f.status for f in files} == {OutputStatus.RUNNING}
    assert {(f.job_id, f.datum_id) for f in files} == {(job.job_id, held.datum_id)}
    assert len({f.id for f in files}) == 2


def test_registration_may_be_repeated_with_the_same_set(conn: psycopg.Connection) -> None:
    held = claim(conn, make_job(conn, 1))

    assert register(conn, held, [A, B]) == register(conn, held, [B, A])


def test_files_of_another_jobs_datum_with_the_same_number_are_not_returned(
    conn: psycopg.Connection,
) -> None:
    for egress_uri in ("s3://out/one/", "s3://out/two/"):
        held = claim(conn, make_job(conn, 1, egress_uri=egress_uri))

        files = register(conn, held, [f"{egress_uri}a"])

        assert [f.uri for f in files] == [f"{egress_uri}a"]


def test_attempt_without_outputs_registers_none(conn: psycopg.Connection) -> None:
    held = claim(conn, make_job(conn, 1))

    assert register(conn, held, []) == []


@pytest.mark.parametrize("other_set", [[], [A], [A, B, "s3://out/c"], [A, "s3://out/c"]])
def test_registration_of_another_set_is_a_mismatch(
    conn: psycopg.Connection, other_set: list[str]
) -> None:
    held = claim(conn, make_job(conn, 1))
    register(conn, held, [A, B])

    with refused(OutputsMismatch):
        register(conn, held, other_set)


def test_file_named_twice_is_refused(conn: psycopg.Connection) -> None:
    held = claim(conn, make_job(conn, 1))

    with refused(InvalidInput):
        register(conn, held, [A, B, A])


@pytest.mark.parametrize("egress_uri", ["s3://out/mine", "s3://out/mine/"])
def test_only_files_below_the_jobs_egress_are_registered(
    conn: psycopg.Connection, egress_uri: str
) -> None:
    held = claim(conn, make_job(conn, 1, egress_uri=egress_uri))

    for uri in (A, "s3://out/mine", "s3://out/mine-too/a", "file:///etc/passwd"):
        with refused(InvalidInput):
            register(conn, held, ["s3://out/mine/a", uri])

    assert registered(conn) == []
    register(conn, held, ["s3://out/mine/a"])


def test_clash_names_both_datums(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2)
    mine, other = claim(conn, job, "pod-1"), claim(conn, job, "pod-2")
    register(conn, mine, [A], "pod-1")

    with pytest.raises(psycopg.DatabaseError) as caught:
        register(conn, other, [B, A], "pod-2")

    assert caught.value.sqlstate == OutputClash.sqlstate
    detail = caught.value.diag.message_detail or ""
    assert all(name in detail for name in (A, str(mine.datum_id), str(other.datum_id)))
    assert registered(conn) == [A]


def test_clash_names_the_file_that_both_write_and_no_other(conn: psycopg.Connection) -> None:
    # Each file of the wrong ones comes before the right one in the alphabet.
    ended = make_job(conn, 3)
    last = [claim(conn, ended, slot=slot) for slot in range(3)][2]
    register(conn, last, [A])
    complete(conn, last)
    jobs.cancel_job(conn, job_id=ended.job_id)
    job = make_job(conn, 2)
    mine, other = claim(conn, job, "pod-1"), claim(conn, job, "pod-2")
    register(conn, mine, ["s3://out/0", B], "pod-1")

    with pytest.raises(psycopg.DatabaseError) as caught:
        register(conn, other, [A, B], "pod-2")

    assert json.loads(caught.value.diag.message_detail or "") == {
        "uri": B,
        "datum_id": str(other.datum_id),
        "other_datum_id": str(mine.datum_id),
    }


def test_clash_with_a_registration_under_way_is_seen(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_job(conn, 2)
    mine, theirs = claim(conn, job, "pod-1"), claim(conn, job, "pod-2")
    other = connect()
    other.execute("begin")
    register(other, theirs, [A], "pod-2")
    with blocked(conn, lambda: register(conn, mine, [A])) as second:
        other.execute("commit")

    with refused(OutputClash):
        second.result()


def test_two_registrations_of_the_same_names_do_not_deadlock(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_job(conn, 2)
    mine = claim(conn, job, "pod-1")
    other = connect()
    insert = """
        insert into falconeri.output_files (job_no, seq, attempt, uri, created_at, updated_at)
        values (%s, 2, 1, %s, now(), now())
        """
    other.execute("begin")
    other.execute(insert, (job.job_no, A))
    with blocked(conn, lambda: register(conn, mine, [B, A])) as second:
        other.execute(insert, (job.job_no, B))  # it waits for A, and has not taken B before
        other.execute("commit")

    with refused(OutputClash):
        second.result()


def test_name_given_up_meanwhile_is_taken_and_not_deleted(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_job(conn, 2)
    mine, theirs = claim(conn, job, "pod-1"), claim(conn, job, "pod-2")
    register(conn, theirs, [A], "pod-2")
    other = connect()
    other.execute("begin")
    complete(other, theirs, "pod-2", failed())
    with blocked(conn, lambda: register(conn, mine, [A])) as second:
        other.execute("commit")

    assert [f.uri for f in second.result()] == [A]
    assert deletions(conn) == []


@pytest.mark.parametrize("call", ["register", "settle"])
def test_only_the_claims_own_pod_may_do_it(conn: psycopg.Connection, call: str) -> None:
    job = make_job(conn, 2)
    held = claim(conn, job, "pod-1")
    claim(conn, job, "pod-2")
    file = register(conn, held, [A])[0]
    update = OutputUpdate(id=file.id, status=OutputStatus.DONE)
    for wrong, error in (
        (Claim(held.datum_id, 2, []), ClaimLost),
        (Claim(uuid4(), 1, []), DatumNotFound),
    ):
        with refused(error):
            if call == "register":
                register(conn, wrong, [A])
            else:
                settle(conn, wrong, [update])
    with refused(ClaimLost):
        if call == "register":
            register(conn, held, [A], "pod-2")
        else:
            settle(conn, held, [update], "pod-2")


@pytest.mark.parametrize("call", ["register", "settle"])
def test_nothing_is_written_for_a_canceled_job(
    conn: psycopg.Connection, connect: Connect, call: str
) -> None:
    job = make_job(conn, 2)
    held = claim(conn, job)
    files = register(conn, held, [A]) if call == "settle" else []
    updates = [OutputUpdate(id=f.id, status=OutputStatus.DONE) for f in files]
    other = connect()
    other.execute("begin")
    jobs.cancel_job(other, job_id=job.job_id)

    def write() -> None:
        if call == "register":
            register(conn, held, [A])
        else:
            settle(conn, held, updates)

    with blocked(conn, write) as written:
        other.execute("commit")

    with refused(JobNotRunning):
        written.result()
    with refused(JobNotRunning):
        write()
    assert registered(conn) == []


def test_cancel_waits_for_a_registration_and_cleans_it_up(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_job(conn, 2)
    held = claim(conn, job)
    other = connect()
    other.execute("begin")
    register(other, held, [A])
    with blocked(conn, lambda: jobs.cancel_job(conn, job_id=job.job_id)) as canceled:
        other.execute("commit")

    canceled.result()
    assert (registered(conn), deletions(conn)) == ([], [A])


def test_registration_keeps_nobody_from_claiming_or_completing(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_job(conn, 3)
    held, theirs = claim(conn, job, "pod-1"), claim(conn, job, "pod-2")
    other = connect()
    with other.transaction():
        register(other, held, [A])
        assert complete(conn, theirs, "pod-2", claim_next=True).claim


def test_settled_files_keep_size_and_checksum(conn: psycopg.Connection) -> None:
    held = claim(conn, make_job(conn, 1))
    first, second = register(conn, held, [A, B])
    updates = [
        OutputUpdate(id=first.id, status=OutputStatus.DONE, size_bytes=2**40, checksum="crc32c:1"),
        OutputUpdate(id=second.id, status=OutputStatus.ERROR, size_bytes=0),
    ]
    for _ in range(2):
        settle(conn, held, updates)

    done, gone = register(conn, held, [A, B])
    assert (done.status, done.size_bytes, done.checksum) == (OutputStatus.DONE, 2**40, "crc32c:1")
    assert (gone.status, gone.size_bytes, gone.checksum) == (OutputStatus.ERROR, 0, None)


@pytest.mark.parametrize(("status", "size_bytes"), [("running", 1), (None, 1), ("done", -1)])
def test_what_is_not_the_end_of_an_upload_is_refused_and_changes_nothing(
    conn: psycopg.Connection, status: str | None, size_bytes: int
) -> None:
    held = claim(conn, make_job(conn, 1))
    first, second = register(conn, held, [A, B])
    with refused(InvalidInput):
        conn.execute(
            "select falconeri.settle_outputs("
            "  %s, 'pod-1', 1, %s, array['done', %s]::falconeri.output_status[],"
            "  array[0, %s], array[null, null])",
            (held.datum_id, [first.id, second.id], status, size_bytes),
        )

    assert {file.status for file in register(conn, held, [A, B])} == {OutputStatus.RUNNING}


def test_file_shows_when_it_was_registered_and_when_settled(conn: psycopg.Connection) -> None:
    held = claim(conn, make_job(conn, 1))
    set_clock(conn, "00:00:10")
    (file,) = register(conn, held, [A])
    set_clock(conn, "00:00:25")

    settle(conn, held, [OutputUpdate(id=file.id, status=OutputStatus.DONE)])

    (file,) = register(conn, held, [A])
    assert (file.created_at.second, file.updated_at.second) == (10, 25)


@pytest.mark.parametrize("foreign", ["another datum's", "another job's", "unknown", "twice"])
def test_settling_a_foreign_file_is_refused_and_changes_nothing(
    conn: psycopg.Connection, foreign: str
) -> None:
    job = make_job(conn, 2)
    mine, theirs = claim(conn, job, "pod-1"), claim(conn, job, "pod-2")
    other_jobs = claim(conn, make_job(conn, 1, egress_uri="s3://other/"))
    own = register(conn, mine, [A])[0].id
    wrong = {
        "another datum's": register(conn, theirs, [B], "pod-2")[0].id,
        "another job's": register(conn, other_jobs, ["s3://other/a"])[0].id,
        "unknown": uuid4(),
        "twice": own,
    }[foreign]

    with refused(InvalidInput):
        settle(conn, mine, [OutputUpdate(id=i, status=OutputStatus.DONE) for i in (own, wrong)])
    assert value(conn, "select count(*) from falconeri.output_files where status = 'done'") == 0


def test_settling_by_the_id_of_something_else_is_refused(conn: psycopg.Connection) -> None:
    held = claim(conn, make_job(conn, 1))
    (file,) = register(conn, held, [A])
    datums_alike = UUID(str(file.id).replace("-8003-", "-8001-"))

    with refused(InvalidInput):
        settle(conn, held, [OutputUpdate(id=datums_alike, status=OutputStatus.DONE)])


def test_registration_of_an_original_worker_needs_no_attempts_number(
    conn: psycopg.Connection,
) -> None:
    held = claim(conn, make_job(conn, 1))

    files = outputs.register_outputs(
        conn, datum_id=held.datum_id, pod_name="pod-1", attempt=None, uris=[A]
    )

    assert [file.uri for file in files] == [A]


def test_loss_waits_for_a_registration_and_undoes_it(
    conn: psycopg.Connection, connect: Connect
) -> None:
    job = make_job(conn, 1)
    held = claim(conn, job)
    other = connect()
    other.execute("begin")
    register(other, held, [A])
    lose = "select falconeri.requeue_lost(%s, 'pod-1', 'evicted', 'gone')"
    with blocked(conn, lambda: value(conn, lose, job.job_id)) as lost:
        other.execute("commit")

    assert lost.result() == 1
    assert registered(conn) == []
    assert deletions(conn) == [A]


def test_pages_of_files_go_on_after_their_last_datum_whatever_other_jobs_write(
    conn: psycopg.Connection,
) -> None:
    older, job, younger = (
        make_job(conn, 4, egress_uri=f"s3://out/{name}/") for name in ("older", "job", "younger")
    )
    for name, each in (("older", older), ("job", job), ("younger", younger)):
        held = [claim(conn, each, slot=slot) for slot in range(4)]
        for number in (3, 2, 0) if each is job else (2, 1, 0):
            uris = [f"s3://out/{name}/{number}{part}" for part in "ba"]
            register(conn, held[number], uris)

    first = outputs.list_outputs(conn, job_id=job.job_id, after=None, limit=2)
    second = outputs.list_outputs(conn, job_id=job.job_id, after=first[-1].datum_id, limit=2)
    third = outputs.list_outputs(conn, job_id=job.job_id, after=second[-1].datum_id, limit=2)

    assert [file.uri.removeprefix("s3://out/job/") for file in first] == ["0a", "0b", "2a", "2b"]
    assert [file.uri.removeprefix("s3://out/job/") for file in second] == ["3a", "3b"]
    assert third == []
    assert {file.job_id for file in first + second} == {job.job_id}
