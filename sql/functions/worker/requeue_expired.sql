-- Gives back what workers hold whose lease ran out: no heartbeat since, so they are dead or cut off.
--   p_limit   at most so many; call again while it returns as many
-- Returns how many. Any number of babysitters may call it at once, and each as often as it likes: it looks
-- at workers that are due (`lease_check_at`), which one that lives is once a lease.
-- Locks: claims (SKIP LOCKED), then their shards in order, the groups of these, the jobs' rows, workers
-- (SKIP LOCKED).
create function falconeri.requeue_expired(p_limit integer) returns integer
language plpgsql volatile set search_path = falconeri, pg_temp set enable_seqscan = off as $$
declare
  v_now timestamptz := falconeri._now();
  v_due bigint[] := array(
    select w.worker_no from falconeri.workers w where w.lease_check_at < v_now
  );
  v_count integer := 0;
begin
  if v_due = '{}' then
    return 0;
  end if;
  v_count := falconeri._lose_claims(
    array(
      select c
      from falconeri.workers w
      join falconeri.jobs j on j.job_no = w.job_no and j.status = 'running'
      join falconeri.claims c on c.worker_no = w.worker_no and c.seq is not null
      left join falconeri.heartbeats h on h.worker_no = w.worker_no
      where w.worker_no = any(v_due) and w.leased
        and falconeri._lease_end(c.claimed_at, h.at, make_interval(secs => j.lease_s)) < v_now
      limit p_limit
      for update of c skip locked
    ),
    'lost_worker', 'the worker stopped sending heartbeats', false
  );
  if v_count < p_limit then
    perform falconeri._postpone_lease_checks(v_due, v_now);
  end if;
  return v_count;
end
$$;
comment on function falconeri.requeue_expired(integer)
is 'Gives back what workers hold whose lease ran out.';
