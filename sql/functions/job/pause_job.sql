-- Hands out nothing more of a job until resume_job. What runs goes on and is counted, a failure is kept
-- for later, the last datum ends the job as ever; its workers end once they hold nothing (list_running_jobs),
-- and its `job_timeout` goes on.
-- A repeat is fine. Raises ZF001 job_not_found, ZF004 job_not_running.
-- Locks: all shards in order (so it waits for claims just being made), then the job's row.
create function falconeri.pause_job(p_job_id uuid) returns void
language plpgsql volatile set search_path = falconeri, pg_temp as $$
begin
  perform falconeri._set_paused(p_job_id, true);
end
$$;
comment on function falconeri.pause_job(uuid)
is 'Hands out nothing more of a job until resume_job.';
