"""Watches a stress run from within the database, and judges afterwards what has come of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from falconeri.db.jobs import NewJobKey
from falconeri.states import AttemptOutcome, FailureClass
from tests.sql import recount
from tests.sql.stress.keepers import REASON
from tests.sql.stress.tally import Ending, Tally

_WITNESSES = (
    # What each change of a shard's counters must keep; the functions look only when one is closed.
    """
    alter table falconeri.shards
      add check (open = requeued + delayed + running + last_seq + 1 - next_seq),
      add check (open + done + error + canceled = last_seq + 1 - first_seq),
      add check (least(requeued, delayed, running, done, error, canceled, failed_attempts) >= 0)
    """,
    # Two live claims of a datum: the second one fails.
    "create unique index on falconeri.claims (job_no, seq) where seq is not null",
    """
    create table public.transitions (
      no bigint generated always as identity, id uuid not null,
      before falconeri.job_status, after falconeri.job_status not null
    )
    """,
    """
    create function public.witness() returns trigger language plpgsql as $$
    begin
      if tg_op = 'INSERT' or old.status <> new.status then
        insert into public.transitions (id, before, after)
        values (new.id, case tg_op when 'UPDATE' then old.status end, new.status);
      end if;
      return null;
    end
    $$
    """,
    """
    create trigger witness after insert or update on falconeri.jobs
    for each row execute function public.witness()
    """,
)

_TRANSITIONS = """
select t.id, array_agg(concat(t.before, '>', t.after) order by t.no) from public.transitions t
group by t.id
"""

_JOBS = """
select j.job_no, j.id, j.status::text, j.error_message, count(d.seq) as datums,
  count(*) filter (where a.outcome = 'done') as done,
  count(*) filter (where a.outcome = 'error') as error,
  (
    select count(*) from procrastinate.procrastinate_jobs t
    where t.task_name = 'stop_workers' and t.args ->> 'job_id' = j.id::text
  ) as stopped
from falconeri.jobs j
left join lateral (
  select j.job_no, generate_series(1, falconeri._last_datum(j.job_no)) as seq
) d using (job_no)
left join falconeri.attempts a on a.job_no = d.job_no and a.seq = d.seq and a.final
where j.deleted_at is null group by j.job_no
"""

_ATTEMPTS = """
select falconeri._datum_id(a.job_no, a.seq), a.attempt, w.pod_name, a.outcome::text,
  a.failure_class::text
from falconeri.attempts a join falconeri.workers w using (worker_no)
join falconeri.jobs j on j.job_no = a.job_no
where j.deleted_at is null and a.outcome <> 'canceled'
"""

_LEFT_OVERS = {
    "still to be tried again": "select r::text from falconeri.requeue r",
    "held, though its job has ended by itself": """
        select c::text from falconeri.claims c
        where c.seq is not null and not exists (
          select from falconeri.shards s where s.job_no = c.job_no and s.canceled > 0
        )
    """,
    "file of a datum that is not done": """
        select f::text from falconeri.output_files f
        where not exists (
          select from falconeri.attempts a
          where a.job_no = f.job_no and a.seq = f.seq and a.outcome = 'done'
        )
    """,
}

# A deleted job's results stay, and nobody remembers them.
_ORPHANS = """
with known as (
  select u.uri, j.job_no is null as deleted
  from unnest(%s::uuid[], %s::text[]) u (datum_id, uri)
  left join falconeri.jobs j
    on j.job_no = (falconeri._datum_key(u.datum_id)).job_no and j.deleted_at is null
)
select k.uri from known k
where not exists (select from falconeri.output_files f where f.uri = k.uri)
  and not exists (select from falconeri.deletions x where x.uri = k.uri)
group by k.uri having not bool_or(k.deleted)
"""


@dataclass(frozen=True)
class _Job:
    """A job that was not deleted, and what became of its datums."""

    job_no: int
    id: UUID
    status: str
    error_message: str | None
    datums: int
    done: int
    error: int
    stopped: int


def install(conn: psycopg.Connection) -> None:
    """Let the database watch the run."""
    for statement in _WITNESSES:
        conn.execute(statement.encode())


def complaints(conn: psycopg.Connection, tally: Tally, told: Collection[str]) -> list[str]:
    """All that is wrong after the run.

    Args:
        told: The ids of the jobs that somebody who listened was told of.
    """
    with conn.cursor(row_factory=class_row(_Job)) as cursor:
        jobs = cursor.execute(_JOBS).fetchall()
    recount.check(conn, *(NewJobKey(job.job_no, job.id) for job in jobs))
    return [
        *_ends(conn, jobs, told),
        *(f"job {job}: {wrong}" for job in jobs if (wrong := _misjudged(job, tally))),
        *_history(conn, tally, {job.job_no for job in jobs}),
        *_left_overs(conn, tally),
    ]


def _ends(conn: psycopg.Connection, jobs: list[_Job], told: Collection[str]) -> Iterator[str]:
    """Each job has ended exactly once, as it still says, and was told to have."""
    now = {job.id: job.status for job in jobs}
    for job_id, steps in conn.execute(_TRANSITIONS):
        begin, *end = steps
        ends = [f"running>{status}" for status in ("done", "error", "canceled")]
        if begin != ">running" or len(end) != 1 or end[0] not in ends:
            yield f"job {job_id}: went {steps}"
        elif job_id in now and end != [f"running>{now[job_id]}"]:
            yield f"job {job_id}: went {steps}, says {now[job_id]}"
        if str(job_id) not in told:
            yield f"job {job_id}: nobody was told of its end"


def _misjudged(job: _Job, tally: Tally) -> str | None:
    """Why this job's end is not what its attempts demand, if it is not."""
    if job.done + job.error == job.datums:
        wanted, stopped = ("error" if job.error else "done"), 0
    elif job.id in tally.canceled:
        wanted, stopped = "canceled", 1
    elif job.id in tally.vanished and job.error_message == REASON:
        wanted, stopped = "error", 1
    else:
        return "ended before its datums, by nobody"
    if job.status != wanted:
        return f"should be {wanted}"
    return None if job.stopped == stopped else f"should have stopped its workers {stopped} times"


def _history(conn: psycopg.Connection, tally: Tally, kept: set[int]) -> Iterator[str]:
    """What was acknowledged is there, what was refused is not, and nobody else did anything."""
    babysitters = (FailureClass.LOST_WORKER, FailureClass.EVICTED)
    found: set[Ending] = {
        (row[0], row[1], row[2], AttemptOutcome(row[3]), row[4] and FailureClass(row[4]))
        for row in conn.execute(_ATTEMPTS)
    }
    acknowledged = {ending for ending in tally.acknowledged if ending[0].int >> 80 in kept}
    yield from (f"acknowledged, but lost: {ending}" for ending in acknowledged - found)
    yield from (f"refused, but done: {ending}" for ending in tally.refused & found)
    yield from (
        f"done by nobody: {ending}"
        for ending in found - tally.tried
        if ending[-1] not in babysitters
    )


def _left_overs(conn: psycopg.Connection, tally: Tally) -> Iterator[str]:
    """Nothing waits or is held any more, and each file is owned or to be deleted."""
    for what, query in _LEFT_OVERS.items():
        yield from (f"{what}: {row[0]}" for row in conn.execute(query.encode()))
    known = sorted(tally.registered)
    orphans = conn.execute(
        _ORPHANS, ([datum_id for datum_id, _ in known], [uri for _, uri in known])
    )
    yield from (f"orphan: {uri}" for (uri,) in orphans if uri not in tally.unlinked)
