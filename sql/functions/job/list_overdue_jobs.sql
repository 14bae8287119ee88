-- The running jobs whose `job_timeout` is over.
-- Returns 0..n rows.   Locks: nothing.
create function falconeri.list_overdue_jobs() returns table (job_id uuid, timeout_s integer)
language sql stable
begin atomic
  select j.id, j.timeout_s from falconeri.jobs j
  where j.status = 'running' and j.created_at + make_interval(secs => j.timeout_s) < falconeri._now();
end;
comment on function falconeri.list_overdue_jobs() is 'The running jobs whose `job_timeout` is over.';
