"""What must hold of a job at any moment, found by counting everything anew."""

from __future__ import annotations

import psycopg
from psycopg.rows import dict_row

from falconeri.db.jobs import NewJobKey

_SHARDS = """
select s.job_no, s.shard,
  s.running = count(*) filter (where d.status = 'running')
  and s.done = count(*) filter (where d.status = 'done')
  and s.error = count(*) filter (where d.status = 'error')
  and s.canceled = count(*) filter (where d.status = 'canceled')
  and s.open = count(*) filter (where d.status in ('ready', 'running'))
  and s.requeued + s.raised + s.delayed + s.last_seq - s.next_seq + 1
    = count(*) filter (where d.status = 'ready')
  and (s.requeued, s.raised, s.delayed) = (
    select count(*) filter (where r.ready_at is null and r.rung = 0),
      count(*) filter (where r.ready_at is null and r.rung > 0), count(r.ready_at)
    from falconeri.requeue r where r.job_no = s.job_no and r.shard = s.shard
  )
  and s.failed_attempts = (
    select count(*) from falconeri.attempts a
    where a.job_no = s.job_no and a.seq between s.first_seq and s.last_seq and a.outcome = 'error'
  )
  and s.recovered = (
    select count(*) from falconeri.attempts a
    where a.job_no = s.job_no and a.seq between s.first_seq and s.last_seq
      and a.outcome = 'recovered'
  ) as right,
  s.open
from falconeri.shards s
join falconeri.datum_states d on d.job_no = s.job_no and d.seq between s.first_seq and s.last_seq
where s.job_no = any(%s) and not (s.halted and s.open = 0)
group by s.job_no, s.shard
"""

_STOPPED_SHARDS = """
select s.job_no, s.shard from falconeri.shards s
where s.job_no = any(%s) and s.halted and s.open = 0 and (
  (s.requeued, s.raised, s.delayed, s.running, s.next_seq) <> (0, 0, 0, 0, s.last_seq + 1)
  or (s.done, s.error, s.canceled) <> (
    select count(*) filter (where d.status = 'done'), count(*) filter (where d.status = 'error'),
      count(*) filter (where d.status = 'canceled')
    from falconeri.datum_states d
    where d.job_no = s.job_no and d.seq between s.first_seq and s.last_seq
  )
  or exists (select from falconeri.requeue r where r.job_no = s.job_no and r.shard = s.shard)
)
"""

_HELD_TWICE = """
select job_no, seq from falconeri.claims where job_no = any(%s) and seq is not null
group by job_no, seq having count(*) > 1
"""

_GAPS = """
select a.job_no, a.seq from falconeri.attempts a where a.job_no = any(%s)
group by a.job_no, a.seq having max(a.attempt) <> count(*) or min(a.attempt) <> 1
"""

_WRONG_RUNG = """
select a.job_no, a.seq from (
  select a.job_no, a.seq, w.rung, count(*) filter (
    where a.failure_class = 'out_of_memory' and a.outcome = 'error'
  ) over (
    partition by a.job_no, a.seq order by a.attempt
    rows unbounded preceding exclude current row
  ) as hungry,
    (select coalesce(max(r.rung), 0) from falconeri.rungs r where r.job_no = a.job_no) as top
  from (
    select a.job_no, a.seq, a.attempt, a.worker_no, a.failure_class, a.outcome
    from falconeri.attempts a
    union all
    select c.job_no, c.seq, c.attempt, c.worker_no, null, null
    from falconeri.claims c join falconeri.jobs j using (job_no)
    where c.seq is not null and j.status = 'running'
  ) a join falconeri.workers w using (worker_no)
  where a.job_no = any(%s)
) a
where a.rung <> least(a.hungry, a.top)
"""

# Each attempt, and whether it spends a try: one after which more memory is tried does not.
_ATTEMPTS = """
select a.job_no, a.seq from falconeri.attempts a join falconeri.shards s
  on s.job_no = a.job_no and a.seq between s.first_seq and s.last_seq
cross join lateral (
  select falconeri._spends_a_try(a.failure_class) and not (
    a.failure_class = 'out_of_memory' and exists (
      select from falconeri.rungs r join falconeri.workers w on w.worker_no = a.worker_no
      where r.job_no = a.job_no and r.rung > w.rung
    )
  ) as spends
) t
"""

_TOO_OFTEN = (
    _ATTEMPTS
    + """
where a.job_no = any(%s)
group by a.job_no, a.seq, s.max_tries, s.max_losses
having count(*) filter (where t.spends) > s.max_tries
  or count(*) filter (where not falconeri._spends_a_try(a.failure_class)) > s.max_losses
  or count(*) filter (where a.final) > 1
"""
)

_TOO_SOON = (
    _ATTEMPTS
    + """
where a.job_no = any(%s) and a.outcome = 'error'
group by a.job_no, a.seq, s.max_tries, s.max_losses
having bool_or(a.final)
  and count(*) filter (where t.spends) < s.max_tries
  and count(*) filter (where not falconeri._spends_a_try(a.failure_class)) < s.max_losses
"""
)

_GROUPS = """
select g.job_no, g.shard_group from falconeri.shard_groups g
left join falconeri.shards s
  on s.job_no = g.job_no and falconeri._shard_group(s.shard) = g.shard_group and s.open > 0
join falconeri.jobs j on j.job_no = g.job_no and j.status = 'running'
where g.job_no = any(%s)
group by g.job_no, g.shard_group having g.open_shards <> count(s.shard)
"""

_JOB = """
select j.job_no, j.status, j.open_groups,
  count(distinct falconeri._shard_group(s.shard)) filter (where s.open > 0) as open_groups_found,
  count(*) filter (where s.error + s.canceled > 0) as bad
from falconeri.jobs j left join falconeri.shards s using (job_no)
where j.job_no = any(%s) group by j.job_no
"""


def check(conn: psycopg.Connection, *jobs: NewJobKey) -> None:
    """Compare counters, claims, attempts and the ends of these jobs with a recount."""
    numbers = ([job.job_no for job in jobs],)
    # One snapshot for all of it: others may be at work.
    with conn.transaction(), conn.cursor(row_factory=dict_row) as cursor:
        cursor.execute("set transaction isolation level repeatable read")
        for shard in cursor.execute(_SHARDS, numbers):
            assert shard["right"], f"the counters of a shard are wrong: {shard}"
        for wrong, query in (
            ("counters of a stopped shard", _STOPPED_SHARDS),
            ("datum held twice", _HELD_TWICE),
            ("gap in the attempts", _GAPS),
            ("more attempts than allowed", _TOO_OFTEN),
            ("given up too soon", _TOO_SOON),
            ("tried with too little memory, or too much", _WRONG_RUNG),
            ("shards of a group miscounted", _GROUPS),
        ):
            assert cursor.execute(query.encode(), numbers).fetchall() == [], wrong
        found = cursor.execute(_JOB, numbers).fetchall()
        assert len(found) == len(jobs)
        for job in found:
            assert job["open_groups"] == job["open_groups_found"], job
            assert (job["status"] == "running") == (job["open_groups"] > 0), job
            assert job["status"] != "done" or job["bad"] == 0, job
            assert job["status"] == "done" or job["bad"] > 0 or job["open_groups"] > 0, job
