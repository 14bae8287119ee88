-- A page of the pods that ever worked for a job, by name, with what they hold.
--   p_after   the last pod of the page before; null: from the first
--   p_limit   at most so many
-- Returns 0..p_limit rows. `holds` has the longest held first: [{"datum_id", "attempt", "slot", "claimed_at"
-- (UTC, without zone), "log_tail" (what its program printed last, as of the last heartbeat; null: nothing)}].
-- Raises ZF001 job_not_found.   Locks: nothing.
create function falconeri.list_workers(p_job_id uuid, p_after text, p_limit integer) returns table (
  pod_name text, node_name text, state text, registered_at timestamptz, last_heartbeat_at timestamptz,
  holds jsonb, ended_at timestamptz, end_class falconeri.failure_class, end_message text
)
language plpgsql stable set search_path = falconeri, pg_temp as $$
declare
  v_job falconeri.jobs := falconeri._require_job(p_job_id);
begin
  return query
  select s.pod_name, s.node_name, s.state, s.registered_at, s.last_heartbeat_at, s.holds, s.ended_at,
    s.end_class, s.end_message
  from falconeri.worker_states s
  where s.job_no = v_job.job_no and s.pod_name > coalesce(p_after, '')
  order by s.pod_name limit p_limit;
end
$$;
comment on function falconeri.list_workers(uuid, text, integer)
is 'A page of the pods that ever worked for a job, by name, with what they hold.';
