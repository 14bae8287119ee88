-- The rungs of each job's ladder of memory, with what waits for them and runs there. Costs the number of
-- datums that wait for more memory, and of workers.
create view falconeri.rung_states as
select
  r.job_no, j.id as job_id, j.job_name, r.rung, r.memory,
  case when r.rung = 0 then s.ready - a.raised else w.waiting end as ready,
  c.running, l.live_workers
from falconeri.rungs r
join falconeri.jobs j on j.job_no = r.job_no and j.deleted_at is null
cross join lateral (
  select count(*) as waiting from falconeri.requeue q
  where q.job_no = r.job_no and q.rung = r.rung and q.rung > 0
) w
cross join lateral (
  select count(*) as raised from falconeri.requeue q where q.job_no = r.job_no and q.rung > 0
) a
cross join lateral (
  select coalesce(sum(s.open - s.running), 0)::bigint as ready
  from falconeri.shards s where s.job_no = r.job_no
) s
cross join lateral (
  select count(*) as running from falconeri.claims c
  where c.job_no = r.job_no and c.rung = r.rung and c.seq is not null and j.status = 'running'
) c
cross join lateral (
  select count(*) as live_workers from falconeri.workers w
  where w.job_no = r.job_no and w.rung = r.rung and w.ended_at is null and j.status = 'running'
) l;
comment on view falconeri.rung_states is 'The rungs of each job''s ladder of memory, with what waits for them.';
