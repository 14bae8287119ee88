-- Asks to be notified when work of this job becomes ready. Afterwards look once more: work that became
-- ready before is found then, work that becomes ready later is notified. Nothing falls between.
-- Raises ZF001 job_not_found.   Locks: all shards not watched yet, in order, for an instant.
create function falconeri.watch_job(p_job_id uuid) returns void
language plpgsql volatile set search_path = falconeri, pg_temp as $$
declare
  v_job falconeri.jobs := falconeri._require_job(p_job_id);
  v_shards integer[] := array(
    select s.shard from falconeri.shards s
    where s.job_no = v_job.job_no and not s.watched order by s.shard for no key update
  );
begin
  -- Those that are locked and no others: one that is no longer watched since then may be a lower one, and
  -- waiting for it now would be out of order. Its waiters have been notified.
  update falconeri.shards s set watched = true
  where s.job_no = v_job.job_no and s.shard = any (v_shards);
end
$$;
comment on function falconeri.watch_job(uuid)
is 'Asks to be notified when work of this job becomes ready.';
