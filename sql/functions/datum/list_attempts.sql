-- Every ended try at a datum, the first one first.
-- Returns 0..n rows.   Raises ZF002 datum_not_found.   Locks: nothing.
create function falconeri.list_attempts(p_datum_id uuid) returns table (
  datum_id uuid, attempt integer, outcome falconeri.attempt_outcome, final boolean,
  failure_class falconeri.failure_class, error_message text, exit_code integer, signal integer,
  pod_name text, node_name text, started_at timestamptz, finished_at timestamptz, bytes_in bigint,
  bytes_out bigint, cpu_s double precision, peak_memory_bytes bigint, output text, backtrace text
)
language plpgsql stable set search_path = falconeri, pg_temp as $$
declare
  v_key record := falconeri._datum_key(p_datum_id);
begin
  perform falconeri._require_datum(p_datum_id);
  return query
  select p_datum_id, a.attempt, a.outcome, a.final, a.failure_class, a.error_message, a.exit_code,
    a.signal, w.pod_name, w.node_name, a.started_at, a.finished_at, a.bytes_in, a.bytes_out, a.cpu_s,
    a.peak_memory_bytes, a.output, a.backtrace
  from falconeri.attempts a join falconeri.workers w using (worker_no)
  where a.job_no = v_key.job_no and a.seq = v_key.seq
  order by a.attempt;
end
$$;
comment on function falconeri.list_attempts(uuid) is 'Every ended try at a datum, the first one first.';
