-- All about one datum but its inputs: its state and its latest attempt.
-- Returns one row.   Raises ZF002 datum_not_found.   Locks: nothing.
create function falconeri.describe_datum(p_datum_id uuid) returns table (
  id uuid, created_at timestamptz, updated_at timestamptz, status falconeri.datum_status, job_id uuid,
  error_message text, node_name text, pod_name text, backtrace text, output text,
  attempted_run_count integer, maximum_allowed_run_count integer
)
language plpgsql stable set search_path = falconeri, pg_temp as $$
declare
  v_key record := falconeri._datum_key(p_datum_id);
begin
  perform falconeri._require_datum(p_datum_id);
  return query
  select s.id, s.created_at, s.updated_at, s.status, s.job_id, s.error_message, s.node_name, s.pod_name,
    s.backtrace, s.output, s.attempted_run_count, s.maximum_allowed_run_count
  from falconeri.datum_states s
  where s.job_no = v_key.job_no and s.first_seq = falconeri._chunk_of(v_key.job_no, v_key.seq)
    and s.seq = v_key.seq;
end
$$;
comment on function falconeri.describe_datum(uuid)
is 'All about one datum but its inputs: its state and its latest attempt.';
