-- Each datum with its state, derived: `running` if a worker holds it, `ready` if it waits for another
-- attempt or lies beyond its shard's cursor, else what its last attempt made of it. Of a job that has
-- ended, whatever never ended is `canceled`. A whole job costs its size; a few datums are found quickly
-- by the chunk that they are in: `first_seq = _chunk_of(job_no, seq)`.
create view falconeri.datum_states as
select
  k.job_no, k.first_seq, d.seq, falconeri._datum_id(k.job_no, d.seq) as id, j.id as job_id, j.created_at,
  coalesce(c.claimed_at, a.finished_at, j.created_at) as updated_at,
  case
    when c.seq is not null then 'running'
    when a.outcome = 'recovered' then 'done'
    when a.final then a.outcome::text
    when j.status <> 'running' then 'canceled'
    else 'ready'
  end::falconeri.datum_status as status,
  -- A success clears nothing of the history, and shows no stale error; a recovered datum shows its own.
  case when not a.outcome = 'done' then a.error_message end as error_message,
  case when not a.outcome = 'done' then a.backtrace end as backtrace,
  a.output, w.pod_name, w.node_name,
  coalesce(c.attempt, a.attempt, 0) as attempted_run_count,
  j.max_tries as maximum_allowed_run_count,
  k.inputs -> (d.seq - k.first_seq)::integer as inputs
from falconeri.datum_chunks k
join falconeri.jobs j on j.job_no = k.job_no
cross join lateral generate_series(
  k.first_seq, least(k.first_seq + jsonb_array_length(k.inputs) - 1, j.datum_count)
) d (seq)
left join falconeri.claims c on c.job_no = k.job_no and c.seq = d.seq and j.status = 'running'
left join lateral (
  select l.attempt, l.outcome, l.final, l.error_message, l.backtrace, l.output, l.finished_at, l.worker_no
  from falconeri.attempts l where l.job_no = k.job_no and l.seq = d.seq
  order by l.attempt desc limit 1
) a on true
left join falconeri.workers w on w.worker_no = coalesce(c.worker_no, a.worker_no);
comment on view falconeri.datum_states is 'Each datum with its state, derived, and its latest attempt.';
