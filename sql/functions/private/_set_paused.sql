-- Halts all shards of a running job, or opens them again; the cluster is asked to follow (list_running_jobs
-- says how many workers it should have now), also by a repeat.
-- Raises ZF001 job_not_found, ZF004 job_not_running.   Locks: all shards in order, then the job's row.
create function falconeri._set_paused(p_job_id uuid, p_paused boolean) returns void
language plpgsql volatile as $$
declare
  v_job falconeri.jobs := falconeri._require_job(p_job_id);
begin
  perform from falconeri.shards s
  where s.job_no = v_job.job_no order by s.shard for no key update;
  v_job := falconeri._lock_running_job(p_job_id);
  perform falconeri._defer_task('start_workers', p_job_id);
  if v_job.paused = p_paused then
    return;
  end if;
  update falconeri.shards s set halted = p_paused where s.job_no = v_job.job_no;
  update falconeri.jobs j set paused = p_paused, updated_at = falconeri._now()
  where j.job_no = v_job.job_no;
  -- Whether or not a shard is watched: nobody watches again after a look at a paused job.
  perform falconeri._notify_job(v_job.job_no);
end
$$;
comment on function falconeri._set_paused(uuid, boolean)
is 'Halts all shards of a running job, or opens them again.';
