-- How far these jobs are and how fast, as report.jobs has it, for those who watch them: one call for all.
-- Returns a row for each that there is; `datums_per_s` is the recent rate, else that since the first worker.
-- Locks: nothing.
create function falconeri.list_progress(p_job_ids uuid[]) returns table (
  job_id uuid, job_name text, status text, paused boolean, parallelism integer, error_message text,
  total bigint, ready bigint, running bigint, done bigint, error bigint, canceled bigint,
  failed_attempts bigint, recovered bigint, datums_per_s double precision, expected_at timestamptz
)
language sql stable
begin atomic
  select j.job_id, j.job_name, j.status, j.paused, j.parallelism, j.error_message,
    j.datums, j.ready, j.running, j.done, j.error, j.canceled, j.failed_attempts, j.recovered,
    coalesce(j.recent_datums_per_s, j.datums_per_s)::double precision, j.expected_at
  from report.jobs j where j.job_id = any (p_job_ids);
end;
comment on function falconeri.list_progress(uuid[])
is 'How far these jobs are and how fast, as report.jobs has it, for those who watch them: one call for all.';
