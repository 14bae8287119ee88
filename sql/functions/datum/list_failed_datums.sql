-- The datums of a job that ended as errors, the first to fail first.
-- Returns 0..p_limit rows.   Raises ZF001 job_not_found.   Locks: nothing.
create function falconeri.list_failed_datums(p_job_id uuid, p_limit integer) returns table (
  id uuid, created_at timestamptz, updated_at timestamptz, status falconeri.datum_status, job_id uuid,
  error_message text, node_name text, pod_name text, backtrace text, output text,
  attempted_run_count integer, maximum_allowed_run_count integer
)
language plpgsql stable set search_path = falconeri, pg_temp as $$
declare
  v_job falconeri.jobs := falconeri._require_job(p_job_id);
begin
  return query
  select s.id, s.created_at, s.updated_at, s.status, s.job_id, s.error_message, s.node_name, s.pod_name,
    s.backtrace, s.output, s.attempted_run_count, s.maximum_allowed_run_count
  from (
    select a.seq from falconeri.attempts a
    where a.job_no = v_job.job_no and a.outcome = 'error' and a.final
    order by a.seq limit p_limit
  ) d
  join falconeri.datum_states s
    on s.job_no = v_job.job_no and s.first_seq = falconeri._chunk_of(v_job.job_no, d.seq) and s.seq = d.seq
  order by s.updated_at, s.seq;
end
$$;
comment on function falconeri.list_failed_datums(uuid, integer)
is 'The datums of a job that ended as errors, the first to fail first.';
