-- Each pod that ever worked for a job, with what it holds now. Quick for a few pods of a job by name: a
-- row of each slot; never datums or attempts.
create view falconeri.worker_states as
select
  w.job_no, j.id as job_id, j.job_name, w.pod_name, w.node_name,
  case
    when w.ended_at is not null or j.status <> 'running' then 'ended'
    when c.held_since is not null then 'working'
    else 'idle'
  end as state,
  c.datum_ids, c.held_since, w.registered_at, h.at as last_heartbeat_at, w.leased,
  w.ended_at, w.end_class, w.end_message, c.log_tails, c.holds, w.rung
from falconeri.workers w
join falconeri.jobs j on j.job_no = w.job_no and j.deleted_at is null
left join falconeri.heartbeats h on h.worker_no = w.worker_no
cross join lateral (
  -- The claims of a job that was ended from outside are left as they were; they mean nothing.
  select
    coalesce(array_agg(c.datum_id order by c.claimed_at, c.slot), '{}') as datum_ids,
    min(c.claimed_at) as held_since,
    coalesce(array_agg(t.log_tail order by c.claimed_at, c.slot), '{}') as log_tails,
    coalesce(
      jsonb_agg(
        jsonb_build_object(
          'datum_id', c.datum_id, 'attempt', c.attempt, 'slot', c.slot,
          'claimed_at', c.claimed_at at time zone 'UTC', 'log_tail', t.log_tail
        )
        order by c.claimed_at, c.slot
      ),
      '[]'
    ) as holds
  from falconeri.claims c
  cross join lateral (
    select h.log_tails ->> falconeri._tail_key(c.datum_id, c.attempt) as log_tail
  ) t
  where c.worker_no = w.worker_no and c.seq is not null and j.status = 'running'
) c;
comment on view falconeri.worker_states is 'Each pod that ever worked for a job, with what it holds now.';
