-- Why workers of a job don't work yet, what holds up most of them first; of an ended job nothing.
-- Returns 0..n rows.   Raises ZF001 job_not_found.   Locks: nothing.
create function falconeri.list_waits(p_job_id uuid) returns table (
  reason text, message text, pod_count integer, since timestamptz
)
language plpgsql stable set search_path = falconeri, pg_temp as $$
declare
  v_job falconeri.jobs := falconeri._require_job(p_job_id);
begin
  return query
    select w.reason, w.message, w.pod_count, w.since from falconeri.waits w
    where w.job_no = v_job.job_no and v_job.status = 'running'
    order by w.pod_count desc, w.since, w.reason, w.message;
end
$$;
comment on function falconeri.list_waits(uuid)
is 'Why workers of a job don''t work yet, what holds up most of them first; of an ended job nothing.';
