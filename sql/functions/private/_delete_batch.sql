-- Deletes the last datums of a job that has ended, with their attempts and files; with the first datum
-- all the rest. The job's own row stays, seen by nobody, until its objects to delete are worked off: the
-- babysitter finds in it where they are and the secrets for it.
--   p_job     locked FOR UPDATE by the caller; its datum_count becomes what is left
--   p_limit   at most so many datums; > 0
-- Returns whether datums are left.
-- Raises ZF009 invalid_input for a limit that would delete nothing.
-- Locks: deletions of others, in the order of their URIs; what it deletes, which nobody else changes.
create function falconeri._delete_batch(p_job falconeri.jobs, p_limit integer) returns boolean
language plpgsql volatile as $$
declare
  v_left bigint := greatest(p_job.datum_count - p_limit, 0);
begin
  if coalesce(p_limit, 0) <= 0 then
    raise exception using errcode = 'ZF009', message = 'not a limit',
      detail = jsonb_build_object('limit', p_limit);
  end if;
  update falconeri.jobs j set
    datum_count = v_left, deleted_at = coalesce(j.deleted_at, falconeri._now()),
    updated_at = falconeri._now()
  where j.job_no = p_job.job_no;

  -- All by ranges closed at both ends: an open one would wade through what is deleted already.

  -- Another job that failed to write one of these files has asked for its deletion. The row of the file
  -- kept that from being done, and the results of a deleted job are to stay.
  perform from falconeri.deletions x
  where x.uri in (
    select f.uri from falconeri.output_files f
    where f.job_no = p_job.job_no and f.seq between v_left + 1 and p_job.datum_count
  )
  order by x.uri, x.job_no for update;
  with gone as (
    delete from falconeri.output_files f
    where f.job_no = p_job.job_no and f.seq between v_left + 1 and p_job.datum_count
    returning f.uri
  )
  delete from falconeri.deletions x using gone where x.uri = gone.uri;

  delete from falconeri.attempts a
  where a.job_no = p_job.job_no and a.seq between v_left + 1 and p_job.datum_count;
  delete from falconeri.datum_chunks d
  where d.job_no = p_job.job_no and d.first_seq between v_left + 1 and p_job.datum_count;
  if v_left > 0 then
    return true;
  end if;

  delete from falconeri.requeue r where r.job_no = p_job.job_no;
  delete from falconeri.shards s where s.job_no = p_job.job_no;
  delete from falconeri.shard_groups g where g.job_no = p_job.job_no;
  delete from falconeri.claims c where c.job_no = p_job.job_no;
  delete from falconeri.progress_samples p where p.job_no = p_job.job_no;
  delete from falconeri.rungs r where r.job_no = p_job.job_no;
  delete from falconeri.waits w where w.job_no = p_job.job_no;
  delete from falconeri.heartbeats h using falconeri.workers w
  where w.job_no = p_job.job_no and h.worker_no = w.worker_no;
  delete from falconeri.workers w where w.job_no = p_job.job_no;
  delete from falconeri.jobs j where j.job_no = p_job.job_no
    and not exists (select from falconeri.deletions x where x.job_no = j.job_no);
  return false;
end
$$;
comment on function falconeri._delete_batch(falconeri.jobs, integer)
is 'Deletes the last datums of a job that has ended, with their attempts and files.';
