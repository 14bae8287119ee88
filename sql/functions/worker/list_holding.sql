-- Those of these pods that hold something of a job: what to give them again when they ask.
-- Returns 0..n rows.   Locks: nothing.
create function falconeri.list_holding(p_job_id uuid, p_pod_names text[])
returns table (pod_name text)
language sql stable
begin atomic
  select w.pod_name
  from falconeri.jobs j
  join falconeri.workers w on w.job_no = j.job_no and w.pod_name = any (p_pod_names)
  where j.id = p_job_id
    and exists (select from falconeri.claims c where c.worker_no = w.worker_no and c.seq is not null);
end;
comment on function falconeri.list_holding(uuid, text[])
is 'Those of these pods that hold something of a job: what to give them again when they ask.';
