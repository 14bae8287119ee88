-- Refuses a call for a job that has ended.
-- Raises ZF004 job_not_running.
create function falconeri._require_running(p_job_no bigint) returns void
language plpgsql stable set search_path = falconeri, pg_temp as $$
declare
  v_job record;
begin
  select j.id, j.status into v_job from falconeri.jobs j where j.job_no = p_job_no;
  if v_job.status <> 'running' then
    raise exception using errcode = 'ZF004', message = 'job is not running',
      detail = jsonb_build_object('job_id', v_job.id, 'status', v_job.status);
  end if;
end
$$;
comment on function falconeri._require_running(bigint) is 'Refuses a call for a job that has ended.';
