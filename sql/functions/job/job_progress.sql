-- The counts of a job's datums by status: the sum of at most some hundred rows, however many datums.
-- Returns one row.   Raises ZF001 job_not_found.   Locks: nothing.
create function falconeri.job_progress(p_job_id uuid) returns table (
  job_id uuid, job_name text, status falconeri.job_status, total bigint, ready bigint,
  running bigint, done bigint, error bigint, canceled bigint, failed_attempts bigint,
  recovered bigint
)
language plpgsql stable set search_path = falconeri, pg_temp as $$
declare
  v_job falconeri.jobs := falconeri._require_job(p_job_id);
begin
  return query
  select v_job.id, v_job.job_name, v_job.status, v_job.datum_count,
    coalesce(sum(s.open - s.running), 0)::bigint, coalesce(sum(s.running), 0)::bigint,
    coalesce(sum(s.done), 0)::bigint, coalesce(sum(s.error), 0)::bigint,
    coalesce(sum(s.canceled), 0)::bigint, coalesce(sum(s.failed_attempts), 0)::bigint,
    coalesce(sum(s.recovered), 0)::bigint
  from falconeri.shards s where s.job_no = v_job.job_no;
end
$$;
comment on function falconeri.job_progress(uuid) is 'The counts of a job''s datums by status.';
