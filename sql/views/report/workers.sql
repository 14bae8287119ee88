-- Every pod that ever worked for a job, and what it holds now. Milliseconds for any job: a row a pod, and
-- a row a slot; never datums or attempts. What each has done is in report.worker_totals, which costs more.
create view report.workers as
select
  j.id as job_id, j.job_name, w.pod_name, w.node_name,
  case
    when w.ended_at is not null or j.status <> 'running' then 'ended'
    when c.held_since is not null then 'working'
    else 'idle'
  end as state,
  c.datum_ids, c.held_since, w.registered_at, h.at as last_heartbeat_at, w.leased,
  w.ended_at, w.end_class::text as end_class, w.end_message
from falconeri.workers w
join falconeri.jobs j on j.job_no = w.job_no and j.deleted_at is null
left join falconeri.heartbeats h on h.worker_no = w.worker_no
cross join lateral (
  -- The claims of a job that was ended from outside are left as they were; they mean nothing.
  select
    coalesce(array_agg(falconeri._datum_id(c.job_no, c.seq) order by c.claimed_at, c.slot), '{}')
      as datum_ids,
    min(c.claimed_at) as held_since
  from falconeri.claims c
  where c.worker_no = w.worker_no and c.seq is not null and j.status = 'running'
) c;
comment on view report.workers is 'Every pod that ever worked for a job, and what it holds. Milliseconds for any job.';
comment on column report.workers.state is 'working, idle, or ended: the pod died, or its job is over.';
comment on column report.workers.datum_ids is 'What it holds, the longest held first.';
comment on column report.workers.held_since is 'When it got the longest held of them.';
comment on column report.workers.last_heartbeat_at is 'Null: none so far, or the database crashed since.';
comment on column report.workers.leased is 'It sends heartbeats; the original''s workers never do.';
comment on column report.workers.end_class is 'Why the pod died; null: it lives, or left as it should.';
