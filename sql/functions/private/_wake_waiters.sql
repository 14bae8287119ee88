-- Tells the waiters of a shard that it has work, once: they watch again if they find none.
-- Locks: the shard (the caller has it).
create function falconeri._wake_waiters(p_job_no bigint, p_shard integer) returns void
language sql volatile
begin atomic
  update falconeri.shards set watched = false where job_no = p_job_no and shard = p_shard;
  select falconeri._notify_job(p_job_no);
end;
comment on function falconeri._wake_waiters(bigint, integer)
is 'Tells the waiters of a shard that it has work, once: they watch again if they find none.';
