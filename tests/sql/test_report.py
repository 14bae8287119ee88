"""The views of schema `report`: what operators and dashboards read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

from falconeri.db import jobs, waits, workers
from falconeri.db.jobs import NewJobKey
from falconeri.db.waits import JobWait
from falconeri.resources import sql_root
from falconeri.states import AttemptOutcome, FailureClass, OutputStatus
from falconeri.wire.work import OutputUpdate, Report
from tests.sql import output_calls
from tests.sql.factories import (
    DONE,
    claim,
    complete,
    datum_id,
    failed,
    lose,
    make_job,
    set_now,
    value,
)

VIEWS = sorted(file.stem for file in (sql_root() / "views" / "report").glob("*.sql"))
LISTED = re.findall(
    r"^\| \[`report\.(\w+)`\]\(views/report/\1\.sql\) \| .+ \| (.+) \|$",
    (sql_root() / "README.md").read_text(),
    re.MULTILINE,
)
"""The views of the README's table, each with what it costs."""
QUICK = [view for view, cost in LISTED if cost.startswith("milliseconds for a job")]
SIZEABLE = {"datum_chunks", "attempts", "requeue", "output_files", "deletions"}
"""The tables with a row for each datum of a job, or for so many of them."""


def rows(
    conn: psycopg.Connection, view: str, *, order_by: str = "job_name"
) -> list[dict[str, Any]]:
    query = sql.SQL("select * from {} order by {}")
    names = sql.Identifier("report", view), sql.Identifier(order_by)
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.format(*names)).fetchall()


def one(conn: psycopg.Connection, view: str, job: NewJobKey) -> dict[str, Any]:
    (row,) = (row for row in rows(conn, view) if row["job_id"] == job.job_id)
    return row


def failure(message: str, exit_code: int | None = 1) -> Report:
    return Report(
        outcome=AttemptOutcome.ERROR,
        failure_class=FailureClass.COMMAND,
        error_message=message,
        exit_code=exit_code,
    )


def fingerprint(conn: psycopg.Connection, message: str) -> str:
    return value(conn, "select falconeri._fingerprint(%s)", message)


def plan_nodes(
    conn: psycopg.Connection, view: str, condition: LiteralString = "true"
) -> list[dict[str, Any]]:
    """The steps of the plan for a view; what PostgreSQL will not touch is in none of them."""
    query = sql.SQL("explain (format json) select * from {} where {}")
    name = sql.Identifier("report", view)
    row = conn.execute(query.format(name, sql.SQL(condition))).fetchone()
    assert row is not None
    return list(_nodes(row[0][0]["Plan"]))


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", []):
        yield from _nodes(part)


def test_job_shows_its_counts_and_how_fast_it_is(conn: psycopg.Connection) -> None:
    job = make_job(conn, 10, shards=2, max_tries=1)
    started = workers.register_worker(conn, job_id=job.job_id, pod_name="pod-1", node_name="n")
    for report in (DONE, DONE, failed()):
        complete(conn, claim(conn, job), report=report)
    claim(conn, job)
    set_now(conn, in_s=60)

    shown = one(conn, "jobs", job)

    assert shown["job_name"] == started.job_name
    assert (shown["status"], shown["datums"], shown["live_workers"]) == ("running", 10, 1)
    counts = ("ready", "running", "done", "error", "canceled", "failed_attempts")
    assert [shown[name] for name in counts] == [6, 1, 2, 1, 0, 1]
    assert shown["ended_percent"] == 30
    assert float(shown["datums_per_s"]) == pytest.approx(3 / 60, rel=0.2)
    remaining_s = (shown["expected_at"] - shown["started_at"]).total_seconds() - 60
    assert remaining_s == pytest.approx(7 / (3 / 60), rel=0.2)


def test_job_that_nobody_works_on_has_no_rate_and_no_end(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2)

    shown = one(conn, "jobs", job)

    assert (shown["started_at"], shown["datums_per_s"], shown["expected_at"]) == (None,) * 3
    assert (shown["ready"], shown["live_workers"]) == (2, 0)


def test_job_that_ended_stands_still(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2)
    complete(conn, claim(conn, job))
    jobs.cancel_job(conn, job_id=job.job_id)
    before = one(conn, "jobs", job)
    set_now(conn, in_s=600)

    shown = one(conn, "jobs", job)

    assert shown == before
    assert (shown["status"], shown["done"], shown["canceled"]) == ("canceled", 1, 1)
    assert (shown["expected_at"], shown["live_workers"]) == (None, 0)


def test_job_without_datums_divides_by_nothing(conn: psycopg.Connection) -> None:
    shown = one(conn, "jobs", make_job(conn, 0))

    assert (shown["status"], shown["datums"], shown["ended_percent"]) == ("done", 0, None)


def test_retry_names_the_job_that_it_continues(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)
    jobs.cancel_job(conn, job_id=job.job_id)

    retry = NewJobKey(0, jobs.retry_job(conn, job_id=job.job_id))

    assert one(conn, "jobs", retry)["retry_of"] == job.job_id


def test_worker_shows_what_it_holds_and_its_heartbeat(conn: psycopg.Connection) -> None:
    job = make_job(conn, 4)
    held = [claim(conn, job, slot=0), claim(conn, job, slot=1)]
    workers.extend_leases(conn, job_id=job.job_id, pod_name="pod-1", held=[])

    shown = one(conn, "workers", job)

    assert (shown["pod_name"], shown["node_name"], shown["state"]) == ("pod-1", "node-1", "working")
    assert shown["datum_ids"] == [c.datum_id for c in held]
    assert shown["registered_at"] <= shown["held_since"] <= shown["last_heartbeat_at"]


def test_worker_of_an_ended_job_holds_nothing(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)
    claim(conn, job)
    jobs.cancel_job(conn, job_id=job.job_id)

    shown = one(conn, "workers", job)

    assert (shown["state"], shown["datum_ids"], shown["held_since"]) == ("ended", [], None)


def test_dead_worker_shows_what_it_died_of_and_an_idle_one_is_idle(
    conn: psycopg.Connection,
) -> None:
    job = make_job(conn, 2)
    claim(conn, job, "dead")
    complete(conn, claim(conn, job, "idle"), "idle")
    lose(conn, job, "dead", FailureClass.EVICTED, "drained")

    shown = rows(conn, "workers", order_by="pod_name")

    assert [(w["pod_name"], w["state"], w["end_class"], w["end_message"]) for w in shown] == [
        ("dead", "ended", "evicted", "drained"),
        ("idle", "idle", None, None),
    ]


def test_worker_totals_count_its_attempts(conn: psycopg.Connection) -> None:
    job = make_job(conn, 3)
    complete(conn, claim(conn, job), report=Report(outcome=AttemptOutcome.DONE, bytes_in=5))
    complete(conn, claim(conn, job), report=failed())
    claim(conn, job)
    jobs.cancel_job(conn, job_id=job.job_id)

    shown = one(conn, "worker_totals", job)

    counts = ("attempts_done", "attempts_failed", "attempts_canceled", "bytes_in")
    assert [shown[name] for name in counts] == [1, 1, 1, 5]


def test_datums_show_their_states(conn: psycopg.Connection) -> None:
    job = make_job(conn, 4, max_tries=1)
    complete(conn, claim(conn, job))
    complete(conn, claim(conn, job), report=failed())
    claim(conn, job)

    shown = rows(conn, "datums", order_by="datum_id")

    assert [(d["datum_id"], d["status"], d["attempts"], d["error_message"]) for d in shown] == [
        (datum_id(conn, job, 1), "done", 1, None),
        (datum_id(conn, job, 2), "error", 1, "failed: command"),
        (datum_id(conn, job, 3), "running", 1, None),
        (datum_id(conn, job, 4), "ready", 0, None),
    ]
    assert shown[3]["inputs"] == [{"uri": "s3://in/4", "local_path": "/pfs/in/4"}]


def test_attempts_are_listed_with_who_made_them(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1, max_tries=2)
    complete(conn, claim(conn, job), report=failed(FailureClass.TIMEOUT))
    complete(conn, claim(conn, job, "pod-2"), "pod-2")

    shown = rows(conn, "attempts", order_by="attempt")

    assert [(a["pod_name"], a["outcome"], a["final"], a["failure_class"]) for a in shown] == [
        ("pod-1", "error", False, "timeout"),
        ("pod-2", "done", True, None),
    ]
    assert {a["datum_id"] for a in shown} == {datum_id(conn, job, 1)}
    assert all(a["duration_s"] >= 0 for a in shown)


def test_failures_are_grouped_by_what_they_have_in_common(conn: psycopg.Connection) -> None:
    job = make_job(conn, 4, max_tries=2)
    held = [claim(conn, job, f"pod-{i}") for i in range(3)]
    complete(conn, held[0], "pod-0", failure("bad line 7 of /pfs/in/a.txt"))
    complete(conn, held[1], "pod-1", failure("bad line 31 of /pfs/in/b/c.txt"))
    complete(conn, held[2], "pod-2", failure("bad line 1 of /pfs/in/d.txt", exit_code=2))
    again = claim(conn, job)
    set_now(conn, in_s=60)
    complete(conn, again, report=failure("bad line 8 of /pfs/in/a.txt"))
    complete(conn, claim(conn, job, "pod-0"), "pod-0")

    shown = rows(conn, "failures", order_by="exit_code")

    counts = [(f["exit_code"], f["attempts"], f["datums"], f["given_up"]) for f in shown]
    assert counts == [(1, 3, 2, 1), (2, 1, 1, 0)]
    assert {f["error"] for f in shown} == {"bad line <n> of <path>"}
    assert {f["job_id"] for f in shown} == {job.job_id}
    assert shown[0]["first_at"] < shown[1]["first_at"] == shown[1]["last_at"] < shown[0]["last_at"]
    assert shown[0]["example_datum_id"] == again.datum_id
    assert shown[0]["example_message"] == "bad line 31 of /pfs/in/b/c.txt"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("no s3://bucket/key-17.txt, 3 tries", "no <uri>, <n> tries"),
        ("can't open '/pfs/in/a b'", "can't open '<path> b'"),
        ("./run and ../x and ~/y and/or z", "<path> and <path> and <path> and/or z"),
        ("datum 00000000-0001-8001-8000-000000400000 lost", "datum <uuid> lost"),
        ("at 0xDEADBEEF in e3b0c44298fc", "at <hex> in <hex>"),
        ("deadbeef decade", "deadbeef decade"),
        ("killed after 1.5 s at 12:30:01", "killed after <n> s at <n>"),
        ("12345678 bytes", "<n> bytes"),
        ("exit status 1", "exit status <n>"),
    ],
)
def test_fingerprint_keeps_the_words_and_drops_the_values(
    conn: psycopg.Connection, message: str, expected: str
) -> None:
    assert fingerprint(conn, message) == expected


def test_fingerprint_of_an_endless_message_is_short(conn: psycopg.Connection) -> None:
    assert len(fingerprint(conn, "ab " * 10_000)) == 500


def test_outputs_show_what_became_of_them(conn: psycopg.Connection) -> None:
    job = make_job(conn, 1)
    held = claim(conn, job)
    (file,) = output_calls.register(conn, held, [output_calls.A])

    shown = one(conn, "outputs", job)

    assert (shown["output_id"], shown["datum_id"]) == (file.id, held.datum_id)
    assert (shown["uri"], shown["status"], shown["attempt"]) == (output_calls.A, "running", 1)


def test_throughput_counts_each_minute(conn: psycopg.Connection) -> None:
    job = make_job(conn, 4)
    held = [claim(conn, job, f"pod-{i}") for i in range(3)]
    conn.execute("select set_config('falconeri.now', '2100-01-01 10:00:59+00', false)")
    complete(conn, held[0], "pod-0")
    complete(conn, held[1], "pod-1", report=failed())
    conn.execute("select set_config('falconeri.now', '2100-01-01 10:02:00+00', false)")
    complete(conn, held[2], "pod-2")

    shown = rows(conn, "throughput", order_by="minute")

    assert [(t["minute"].minute, t["done"], t["failed"], t["workers"]) for t in shown] == [
        (0, 1, 1, 2),
        (2, 1, 0, 1),
    ]


@pytest.mark.parametrize("view", QUICK)
def test_quick_views_never_touch_datums_or_attempts(conn: psycopg.Connection, view: str) -> None:
    read = {node.get("Relation Name") for node in plan_nodes(conn, view)}

    assert "jobs" in read, "the plan is understood"
    assert not read & SIZEABLE


def test_sizeable_tables_are_there_and_other_views_read_them(conn: psycopg.Connection) -> None:
    read = {node.get("Relation Name") for view in VIEWS for node in plan_nodes(conn, view)}

    assert {"jobs", "waits", "workers"} <= {*QUICK}
    assert read >= SIZEABLE - {"deletions"}
    assert value(conn, "select to_regclass('falconeri.deletions')")


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(
    "key", ["job_name = 'x'", "job_id = '00000000-0000-4000-8000-000000000000'"]
)
def test_one_job_is_found_without_looking_at_others(
    conn: psycopg.Connection, view: str, key: LiteralString
) -> None:
    conn.execute("set enable_seqscan = off")

    steps = {node["Node Type"] for node in plan_nodes(conn, view, key)}

    assert "Seq Scan" not in steps
    assert any("Index" in step for step in steps)


def test_recent_rate_reads_no_samples_but_the_latest(conn: psycopg.Connection) -> None:
    conn.execute("set enable_seqscan = off")

    nodes = plan_nodes(conn, "jobs", "job_name = 'x'")

    looks = [n["Index Cond"] for n in nodes if n.get("Index Name") == "progress_samples_pkey"]
    assert looks
    assert all("slot >= " in look for look in looks)


def test_deleted_jobs_are_in_no_view(conn: psycopg.Connection) -> None:
    job = make_job(conn, 2, max_tries=1, memory=["1Gi", "2Gi"])
    complete(conn, claim(conn, job), report=failed())
    held = claim(conn, job)
    (file,) = output_calls.register(conn, held, [output_calls.A])
    output_calls.settle(conn, held, [OutputUpdate(id=file.id, status=OutputStatus.DONE)])
    jobs.sample_progress(conn)
    waits.note_waits(conn, waits=[JobWait(job.job_id, "image", "no such image", 1)])
    assert rows(conn, "waits")
    complete(conn, held)
    # An ended job waits for nothing: see test_waits.
    shown = [view for view in VIEWS if view != "waits"]
    assert all(rows(conn, view) for view in shown)

    conn.execute("update falconeri.jobs set deleted_at = now()")

    assert not any(rows(conn, view) for view in VIEWS)


@pytest.mark.parametrize("view", VIEWS)
def test_view_says_what_it_costs(conn: psycopg.Connection, view: str) -> None:
    comment = value(conn, "select obj_description(%s::regclass, 'pg_class')", f"report.{view}")

    assert "Milliseconds for any job" in comment or "Costs " in comment


def test_every_column_says_what_it_is(conn: psycopg.Connection) -> None:
    silent = conn.execute(
        """
        select c.relname, a.attname
        from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
        where c.relnamespace = 'report'::regnamespace and col_description(c.oid, a.attnum) is null
        """
    ).fetchall()

    assert not silent


def test_views_show_no_internal_keys(conn: psycopg.Connection) -> None:
    hidden = ["job_no", "seq", "worker_no", "output_no", "shard"]

    shown = value(
        conn,
        """
        select count(*) from information_schema.columns
        where table_schema = 'report' and column_name = any(%s)
        """,
        hidden,
    )

    assert shown == 0


def test_readme_lists_every_view() -> None:
    assert sorted(view for view, _ in LISTED) == VIEWS
