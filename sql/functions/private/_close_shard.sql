-- Counts one shard less; the last one ends the job, exactly once, without counting datums.
-- Raises P0004 if the shard's counters contradict each other. A constraint would say so at once, at a
-- price for every datum.
-- Locks: the shard's group, then perhaps the job's row (the caller holds the shard).
create function falconeri._close_shard(p_job_no bigint, p_shard integer) returns void
language plpgsql volatile as $$
declare
  v_open integer;
begin
  assert (
    select s.open = 0 and s.requeued = 0 and s.raised = 0 and s.delayed = 0
      and s.running = 0
      and s.next_seq = s.last_seq + 1
      and s.done + s.error + s.canceled = s.last_seq + 1 - s.first_seq
    from falconeri.shards s where s.job_no = p_job_no and s.shard = p_shard
  ), 'the counters of a shard contradict each other';
  update falconeri.shard_groups g set open_shards = g.open_shards - 1
  where g.job_no = p_job_no and g.shard_group = falconeri._shard_group(p_shard)
  returning g.open_shards into v_open;
  if v_open > 0 then
    return;
  end if;
  update falconeri.jobs j set open_groups = j.open_groups - 1
  where j.job_no = p_job_no
  returning j.open_groups into v_open;
  if v_open = 0 then
    perform falconeri._end_job(p_job_no, null, null);
  end if;
end
$$;
comment on function falconeri._close_shard(bigint, integer)
is 'Counts one shard less; the last one ends the job, exactly once, without counting datums.';
