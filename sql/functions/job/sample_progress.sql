-- Notes how far each running job is, once in each quarter of a minute, and forgets what is older than an
-- hour. To be called as often, by any number of babysitters.
-- Returns how many jobs it has noted: those that nobody else has in this quarter.
-- Locks: its own rows, in the order of the jobs.
create function falconeri.sample_progress() returns integer
language plpgsql volatile set search_path = falconeri, pg_temp as $$
declare
  v_now timestamptz := falconeri._now();
  v_count integer;
begin
  insert into falconeri.progress_samples (job_no, slot, at, ended, paused)
  select j.job_no, falconeri._sample_slot(v_now), v_now, sum(s.done + s.error), j.paused
  from falconeri.jobs j join falconeri.shards s using (job_no)
  where j.status = 'running'
  group by j.job_no, j.paused
  order by j.job_no
  on conflict (job_no, slot) do nothing;
  get diagnostics v_count = row_count;
  delete from falconeri.progress_samples p where p.at < v_now - interval '1 hour';
  return v_count;
end
$$;
comment on function falconeri.sample_progress()
is 'Notes how far each running job is, once in each quarter of a minute.';
