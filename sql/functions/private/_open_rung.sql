-- Asks for workers of a rung that has none. While it is open nothing is asked: who looks after the workers
-- looks at what waits for it every few seconds (size_rungs).
-- Locks: the rung, if it is closed.
create function falconeri._open_rung(p_job_no bigint, p_rung smallint) returns void
language plpgsql volatile as $$
declare
  v_job_id uuid;
begin
  update falconeri.rungs r set open = true, active_at = falconeri._now()
  from falconeri.jobs j
  where r.job_no = p_job_no and r.rung = p_rung and not r.open and j.job_no = r.job_no
  returning j.id into v_job_id;
  if found then
    perform falconeri._defer_task('start_workers', v_job_id);
  end if;
end
$$;
comment on function falconeri._open_rung(bigint, smallint)
is 'Asks for workers of a rung that has none.';
