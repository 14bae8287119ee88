-- The job with this id, locked, if it runs.
-- Raises ZF001 job_not_found, ZF004 job_not_running.   Locks: the job's row.
create function falconeri._lock_running_job(p_job_id uuid) returns falconeri.jobs
language plpgsql volatile as $$
declare
  v_job falconeri.jobs;
begin
  select j.* into v_job from falconeri.jobs j
  where j.id = p_job_id and j.status = 'running' for no key update;
  if not found then
    v_job := falconeri._require_job(p_job_id);
    raise exception using errcode = 'ZF004', message = 'job is not running',
      detail = jsonb_build_object('job_id', p_job_id, 'status', v_job.status);
  end if;
  return v_job;
end
$$;
comment on function falconeri._lock_running_job(uuid) is 'The job with this id, locked, if it runs.';
