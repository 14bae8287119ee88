-- Lets a paused job go on: wakes the workers that it still has, and asks the cluster for the others.
-- A repeat is fine and wakes nobody. Raises ZF001 job_not_found, ZF004 job_not_running.
-- Locks: all shards in order, then the job's row.
create function falconeri.resume_job(p_job_id uuid) returns void
language plpgsql volatile set search_path = falconeri, pg_temp as $$
begin
  if falconeri._set_paused(p_job_id, false) then
    -- Whether or not a shard is watched: nobody watches again after a look at a paused job.
    perform falconeri._notify_job((falconeri._require_job(p_job_id)).job_no);
  end if;
end
$$;
comment on function falconeri.resume_job(uuid)
is 'Lets a paused job go on, and wakes all who wait for its work.';
