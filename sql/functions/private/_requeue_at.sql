-- Lets a datum that was just requeued wait for its next attempt, if its job has a retry_delay_s: that long
-- after its first failure, twice as long after each further one, an hour at most, and all that give or
-- take half of it, so that what failed together does not come back together. After a failure of a store, or
-- of ours, it waits in any case, from a second on: a moment's outage must not use up all its losses.
--   p_failures   how often it has failed; > 0
-- Returns whether it waits, so that nobody needs to be woken for it.   Locks: its shard (the caller has it).
create function falconeri._requeue_at(
  p_job_no bigint, p_shard integer, p_rung smallint, p_seq bigint, p_failures integer,
  p_class falconeri.failure_class
) returns boolean
language plpgsql volatile as $$
declare
  v_delay_s integer;
begin
  select greatest(j.retry_delay_s, (p_class in ('storage', 'internal'))::integer)
  into strict v_delay_s from falconeri.jobs j where j.job_no = p_job_no;
  if v_delay_s = 0 then
    return false;
  end if;
  update falconeri.requeue r set
    ready_at = falconeri._now() + make_interval(
      secs => least(v_delay_s * 2.0 ^ least(p_failures - 1, 12), 3600) * (0.5 + random())
    )
  where r.job_no = p_job_no and r.shard = p_shard and r.rung = p_rung and r.seq = p_seq;
  update falconeri.shards s set
    requeued = s.requeued - (p_rung = 0)::integer, raised = s.raised - (p_rung > 0)::integer,
    delayed = s.delayed + 1
  where s.job_no = p_job_no and s.shard = p_shard;
  return true;
end
$$;
comment on function falconeri._requeue_at(bigint, integer, smallint, bigint, integer, falconeri.failure_class)
is 'Lets a datum that was just requeued wait for its next attempt, if its job has a retry_delay_s.';
