-- The running jobs, with all that is needed to make their workers.
-- Returns 0..n rows.   Locks: nothing.
create function falconeri.list_running_jobs() returns table (
  job_id uuid, job_name text, pipeline_spec jsonb, parallelism integer
)
language sql stable
begin atomic
  select j.id, j.job_name, j.pipeline_spec, least(j.parallelism, j.datum_count)::integer
  from falconeri.jobs j where j.status = 'running' order by j.job_no;
end;
comment on function falconeri.list_running_jobs()
is 'The running jobs, with all that is needed to make their workers.';
