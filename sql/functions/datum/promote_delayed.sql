-- Makes datums ready whose time to wait after a failure is over, and wakes who waits for them.
--   p_limit   at most so many; call again while it returns as many
-- Returns how many. Any number of babysitters may call it at once.
-- Locks: their shards, in order.
create function falconeri.promote_delayed(p_limit integer) returns integer
language plpgsql volatile set search_path = falconeri, pg_temp as $$
declare
  v_now timestamptz := falconeri._now();
  v_due falconeri.requeue[] := array(
    select r from falconeri.requeue r where r.ready_at <= v_now order by r.ready_at limit p_limit
  );
  v_shard record;
  v_count integer := 0;
begin
  perform from falconeri.shards s
  where (s.job_no, s.shard) in (select d.job_no, d.shard from unnest(v_due) d)
  order by s.job_no, s.shard for no key update;

  for v_shard in
    -- Another babysitter may have been quicker, or the job ended: only what still waits counts.
    with ready as (
      update falconeri.requeue r set ready_at = null
      from unnest(v_due) d
      where r.job_no = d.job_no and r.shard = d.shard and r.rung = d.rung
        and r.seq = d.seq and r.ready_at <= v_now
      returning r.job_no, r.shard, r.rung
    )
    update falconeri.shards s set
      requeued = s.requeued + c.promoted - c.raised, raised = s.raised + c.raised,
      delayed = s.delayed - c.promoted
    from (
      select r.job_no, r.shard, count(*)::integer as promoted,
        count(*) filter (where r.rung > 0)::integer as raised
      from ready r group by r.job_no, r.shard
    ) c
    where s.job_no = c.job_no and s.shard = c.shard
    returning s.job_no, s.shard, s.watched, c.promoted
  loop
    v_count := v_count + v_shard.promoted;
    if v_shard.watched then
      perform falconeri._wake_waiters(v_shard.job_no, v_shard.shard);
    end if;
  end loop;
  return v_count;
end
$$;
comment on function falconeri.promote_delayed(integer)
is 'Makes datums ready whose time to wait after a failure is over, and wakes who waits for them.';
