-- Gives back what workers hold whose lease ran out: no heartbeat since, so they are dead or cut off.
--   p_limit   looks at so many workers at most; call again while it has looked at as many
-- Returns at how many it has looked, and how many datums it has given back. Any number of babysitters may
-- call it at once, and each as often as it likes: a worker that lives is due (`lease_check_at`) once a lease.
-- Locks: workers (SKIP LOCKED), claims (SKIP LOCKED), then their shards in order, the groups of these, the
-- jobs' rows.
create function falconeri.requeue_expired(p_limit integer, out looked integer, out lost integer)
language plpgsql volatile set search_path = falconeri, pg_temp set plan_cache_mode = force_custom_plan as $$
declare
  v_now timestamptz := falconeri._now();
  v_due bigint[] := array(
    select w.worker_no from falconeri.workers w where w.lease_check_at < v_now
    order by w.lease_check_at limit p_limit
    for no key update skip locked
  );
begin
  looked := cardinality(v_due);
  if looked = 0 then
    lost := 0;
    return;
  end if;
  lost := falconeri._lose_claims(
    array(
      select c
      from falconeri.workers w
      join falconeri.jobs j on j.job_no = w.job_no
      join falconeri.claims c on c.worker_no = w.worker_no and c.seq is not null
      left join falconeri.heartbeats h on h.worker_no = w.worker_no
      where w.worker_no = any(v_due) and w.leased
        and falconeri._lease_end(c.claimed_at, h.at, make_interval(secs => j.lease_s)) < v_now
      for update of c skip locked
    ),
    'lost_worker', 'the worker stopped sending heartbeats', false
  );
  perform falconeri._postpone_lease_checks(v_due, v_now);
end
$$;
comment on function falconeri.requeue_expired(integer)
is 'Gives back what workers hold whose lease ran out.';
