-- The rungs of a job's ladder, the lowest first, with what waits for each and runs there.
-- Returns 0..n rows: none for a job without a ladder.   Raises ZF001 job_not_found.   Locks: nothing.
create function falconeri.list_rungs(p_job_id uuid) returns table (
  rung smallint, memory text, ready bigint, running bigint, workers bigint
)
language plpgsql stable set search_path = falconeri, pg_temp as $$
declare
  v_job falconeri.jobs := falconeri._require_job(p_job_id);
begin
  return query
  select s.rung, s.memory, s.ready, s.running, s.live_workers
  from falconeri.rung_states s where s.job_no = v_job.job_no order by s.rung;
end
$$;
comment on function falconeri.list_rungs(uuid)
is 'The rungs of a job''s ladder, the lowest first, with what waits for each and runs there.';
