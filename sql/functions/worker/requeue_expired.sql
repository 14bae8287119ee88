-- Gives back what workers hold whose lease ran out: no heartbeat since, so they are dead or cut off.
--   p_limit   at most so many; call again while it returns as many
-- Returns how many. Any number of babysitters may call it at once.
-- Locks: claims (SKIP LOCKED), then their shards in order, the groups of these, the jobs' rows.
create function falconeri.requeue_expired(p_limit integer) returns integer
language plpgsql volatile set search_path = falconeri, pg_temp as $$
begin
  return falconeri._lose_claims(
    array(
      select c
      from falconeri.jobs j
      join falconeri.claims c on c.job_no = j.job_no and c.seq is not null
      join falconeri.workers w on w.worker_no = c.worker_no and w.leased
      left join falconeri.heartbeats h on h.worker_no = c.worker_no
      where j.status = 'running'
        -- After a crash of the database the heartbeats are gone: count from its start.
        and greatest(c.claimed_at, h.at, pg_postmaster_start_time())
          + make_interval(secs => j.lease_s) < falconeri._now()
      limit p_limit
      for update of c skip locked
    ),
    'lost_worker', 'the worker stopped sending heartbeats', false
  );
end
$$;
comment on function falconeri.requeue_expired(integer)
is 'Gives back what workers hold whose lease ran out.';
