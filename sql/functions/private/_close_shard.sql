-- Counts one shard less; the last one ends the job, exactly once, without counting datums.
-- Locks: the job's row (the caller holds one of its shards).
create function falconeri._close_shard(p_job_no bigint) returns void
language plpgsql volatile as $$
declare
  v_open integer;
begin
  update falconeri.jobs j set open_shards = j.open_shards - 1
  where j.job_no = p_job_no
  returning j.open_shards into v_open;
  if v_open = 0 then
    perform falconeri._end_job(p_job_no, null, null);
  end if;
end
$$;
comment on function falconeri._close_shard(bigint)
is 'Counts one shard less; the last one ends the job, exactly once, without counting datums.';
