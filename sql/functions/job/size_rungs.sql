-- How many workers each rung above the lowest should have now: one for each datum that waits for it or
-- is worked on there, up to the job's parallelism; of a paused job, only for the latter. A rung that has had
-- neither for a minute is closed, and not returned: its workers are no longer needed.
-- To be called again and again, by any number of babysitters; what _open_rung missed is found here.
-- Returns the open rungs of running jobs.   Locks: the rungs of running jobs' ladders, in order.
create function falconeri.size_rungs() returns table (
  job_id uuid, rung smallint, memory text, workers integer
)
language plpgsql volatile set search_path = falconeri, pg_temp as $$
declare
  v_rungs falconeri.rungs[] := array(
    select r from falconeri.rungs r
    join falconeri.jobs j on j.job_no = r.job_no and j.status = 'running'
    where r.rung > 0
    order by r.job_no, r.rung for no key update of r
  );
begin
  return query
  with counted as (
    select r.job_no, r.rung, j.id, j.parallelism, j.paused, h.held, w.waiting,
      exists (
        select from falconeri.requeue q where q.job_no = r.job_no and q.rung = r.rung and q.rung > 0
      ) as wanted
    from falconeri.jobs j
    join unnest(v_rungs) r on r.job_no = j.job_no
    cross join lateral (
      select count(*)::integer as held from falconeri.claims c
      where c.job_no = r.job_no and c.rung = r.rung and c.seq is not null
    ) h
    cross join lateral (
      -- No more than would matter, however many wait.
      select count(*)::integer as waiting from (
        select from falconeri.requeue q
        where q.job_no = r.job_no and q.rung = r.rung and q.rung > 0 and q.ready_at is null
        limit j.parallelism
      ) q
    ) w
  ), sized as (
    update falconeri.rungs r set
      active_at = case when c.wanted or c.held > 0 then falconeri._now() else r.active_at end,
      open = c.wanted or c.held > 0
        or coalesce(r.active_at > falconeri._now() - interval '1 minute', false)
    from counted c
    where r.job_no = c.job_no and r.rung = c.rung and (r.open or c.wanted or c.held > 0)
    returning r.job_no, r.rung, r.memory, r.open
  )
  select c.id, s.rung, s.memory,
    least(c.parallelism, c.held + case when c.paused then 0 else c.waiting end)
  from sized s join counted c on c.job_no = s.job_no and c.rung = s.rung
  where s.open
  order by s.job_no, s.rung;
end
$$;
comment on function falconeri.size_rungs()
is 'How many workers each rung above the lowest should have now.';
