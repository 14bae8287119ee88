-- Ends a job at its operator's wish: what runs is stopped, what is done stays.
-- A repeat is fine. Raises ZF001 job_not_found, ZF004 job_not_running if it ended otherwise.
-- Locks: all shards in order, then the job's row.
create function falconeri.cancel_job(p_job_id uuid) returns void
language plpgsql volatile set search_path = falconeri, pg_temp as $$
declare
  v_job falconeri.jobs := falconeri._require_job(p_job_id);
begin
  if not falconeri._stop_job(v_job.job_no, 'canceled', null) then
    v_job := falconeri._require_job(p_job_id);
    if v_job.status <> 'canceled' then
      raise exception using errcode = 'ZF004', message = 'job is not running',
        detail = jsonb_build_object('job_id', p_job_id, 'status', v_job.status);
    end if;
  end if;
end
$$;
comment on function falconeri.cancel_job(uuid)
is 'Ends a job at its operator''s wish: what runs is stopped, what is done stays.';
