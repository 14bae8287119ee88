-- Lets a paused job go on: wakes the workers that it still has, and asks the cluster for the others.
-- A repeat is fine and wakes nobody. Raises ZF001 job_not_found, ZF004 job_not_running.
-- Locks: all shards in order, then the job's row.
create function falconeri.resume_job(p_job_id uuid) returns void
language plpgsql volatile set search_path = falconeri, pg_temp as $$
begin
  perform falconeri._set_paused(p_job_id, false);
end
$$;
comment on function falconeri.resume_job(uuid)
is 'Lets a paused job go on, and wakes all who wait for its work.';
