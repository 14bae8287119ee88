-- The pods that hold something of a running job, for a look at whether they still live.
-- Returns 0..n rows.   Locks: nothing.
create function falconeri.list_holders()
returns table (job_id uuid, pod_name text, held_s double precision)
language sql stable
begin atomic
  select j.id, w.pod_name, extract(epoch from falconeri._now() - min(c.claimed_at))::double precision
  from falconeri.jobs j
  join falconeri.claims c on c.job_no = j.job_no and c.seq is not null
  join falconeri.workers w on w.worker_no = c.worker_no
  where j.status = 'running'
  group by j.id, w.pod_name;
end;
comment on function falconeri.list_holders()
is 'The pods that hold something of a running job, for a look at whether they still live.';
