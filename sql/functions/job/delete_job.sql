-- Deletes an ended job: nobody sees it from the first call on. Its results in the stores stay; objects
-- that failed attempts left there are still deleted, and keep the job's own row until then.
--   p_limit   at most so many of its datums, each with its attempts and files; > 0. A job of millions
--             is deleted by many short transactions: call again while it returns true. Whoever gives up
--             in between leaves the rest to delete_old_jobs.
-- Returns whether more is left.
-- Raises ZF001 job_not_found (also when all is gone), ZF009 invalid_input for a limit below 1,
-- ZF010 job_running.
-- Locks: the job's row FOR UPDATE, before others: it has ended, so no one needs it beside others.
create function falconeri.delete_job(p_job_id uuid, p_limit integer) returns boolean
language plpgsql volatile set search_path = falconeri, pg_temp as $$
declare
  v_job falconeri.jobs;
begin
  -- Not by _require_job, which doesn't know a job half deleted.
  select j.* into v_job from falconeri.jobs j
  where j.id = p_job_id and j.status <> 'running' for update;
  if not found then
    v_job := falconeri._require_job(p_job_id);
    raise exception using errcode = 'ZF010', message = 'job is running',
      detail = jsonb_build_object('job_id', p_job_id, 'status', v_job.status);
  end if;
  return falconeri._delete_batch(v_job, p_limit);
end
$$;
comment on function falconeri.delete_job(uuid, integer)
is 'Deletes an ended job: nobody sees it from the first call on.';
