-- Deletes jobs that ended long ago, oldest first, and whatever delete_job has left of others: each call
-- a batch of one job, in a short transaction.
--   p_older_than_s   seconds since their end; >= 0; null: none, only what has been begun
--   p_limit          at most so many datums, each with its attempts and files; > 0
-- Returns whether it did anything: call again while it does. Any number of babysitters may call it.
-- Raises ZF009 invalid_input for a number out of range.   Locks: one job (skips), as delete_job.
create function falconeri.delete_old_jobs(p_older_than_s integer, p_limit integer) returns boolean
language plpgsql volatile set search_path = falconeri, pg_temp as $$
declare
  v_job falconeri.jobs;
begin
  if p_older_than_s < 0 then
    raise exception using errcode = 'ZF009', message = 'not an age',
      detail = jsonb_build_object('older_than_s', p_older_than_s);
  end if;
  select j.* into v_job from falconeri.jobs j
  where j.status <> 'running' and case
    when j.deleted_at is null
      then j.finished_at < falconeri._now() - make_interval(secs => p_older_than_s)
    -- With all its datums gone it waits for its deletions, or was the last to.
    else j.datum_count > 0
      or not exists (select from falconeri.deletions x where x.job_no = j.job_no)
  end
  order by j.job_no limit 1 for update skip locked;
  if not found then
    return false;
  end if;
  perform falconeri._delete_batch(v_job, p_limit);
  return true;
end
$$;
comment on function falconeri.delete_old_jobs(integer, integer)
is 'Deletes jobs that ended long ago, oldest first, and whatever delete_job has left of others.';
