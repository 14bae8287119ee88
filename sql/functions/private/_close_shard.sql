-- Counts one shard less; the last one ends the job, exactly once, without counting datums.
-- Raises P0004 if the shard's counters contradict each other. A constraint would say so at once, at a
-- price for every datum.
-- Locks: the job's row (the caller holds the shard).
create function falconeri._close_shard(p_job_no bigint, p_shard integer) returns void
language plpgsql volatile as $$
declare
  v_open integer;
begin
  assert (
    select s.open = 0 and s.requeued = 0 and s.delayed = 0 and s.running = 0
      and s.next_seq = s.last_seq + 1
      and s.done + s.error + s.canceled = s.last_seq + 1 - s.first_seq
    from falconeri.shards s where s.job_no = p_job_no and s.shard = p_shard
  ), 'the counters of a shard contradict each other';
  update falconeri.jobs j set open_shards = j.open_shards - 1
  where j.job_no = p_job_no
  returning j.open_shards into v_open;
  if v_open = 0 then
    perform falconeri._end_job(p_job_no, null, null);
  end if;
end
$$;
comment on function falconeri._close_shard(bigint, integer)
is 'Counts one shard less; the last one ends the job, exactly once, without counting datums.';
