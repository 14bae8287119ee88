-- Changes how many workers a running job should have; the cluster is asked to follow.
--   p_parallelism   >= 0; 0 leaves its datums to wait
-- A repeat is fine: the cluster is asked again.
-- Raises ZF001 job_not_found, ZF004 job_not_running, ZF009 invalid_input for less than no worker.
-- Locks: the job's row.
create function falconeri.scale_job(p_job_id uuid, p_parallelism integer) returns void
language plpgsql volatile set search_path = falconeri, pg_temp as $$
declare
  v_job falconeri.jobs := falconeri._lock_running_job(p_job_id);
begin
  if coalesce(p_parallelism, -1) < 0 then
    raise exception using errcode = 'ZF009', message = 'not a number of workers',
      detail = jsonb_build_object('job_id', p_job_id, 'parallelism', p_parallelism);
  end if;
  update falconeri.jobs j set parallelism = p_parallelism, updated_at = falconeri._now()
  where j.job_no = v_job.job_no;
  perform falconeri._defer_task('start_workers', p_job_id);
end
$$;
comment on function falconeri.scale_job(uuid, integer)
is 'Changes how many workers a running job should have; the cluster is asked to follow.';
