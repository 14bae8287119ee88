-- The running jobs, with all that is needed to make their workers.
--   parallelism   how many workers it should have now: no more than datums, and none while it is paused,
--                 once they have ended what they held
-- Returns 0..n rows.   Locks: nothing.
create function falconeri.list_running_jobs() returns table (
  job_id uuid, job_name text, pipeline_spec jsonb, parallelism integer
)
language sql stable
begin atomic
  select j.id, j.job_name, j.pipeline_spec,
    case
      when j.paused and not exists (
        select from falconeri.shards s where s.job_no = j.job_no and s.running > 0
      ) then 0
      else least(j.parallelism, j.datum_count)::integer
    end
  from falconeri.jobs j where j.status = 'running' order by j.job_no;
end;
comment on function falconeri.list_running_jobs()
is 'The running jobs, with all that is needed to make their workers.';
