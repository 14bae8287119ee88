-- Refuses a change to an attempt whose job was ended over its head, and keeps the job from being ended
-- before the caller's transaction is: else what it writes would be missed by the clean-up.
-- Raises ZF004 job_not_running.   Locks: the claim's shard FOR KEY SHARE, which only _stop_job minds.
create function falconeri._require_running(p_claim falconeri.claims) returns void
language plpgsql volatile as $$
declare
  v_job record;
begin
  perform from falconeri.shards s
  where s.job_no = p_claim.job_no and s.shard = p_claim.shard and s.open > 0
  for key share;
  if not found then
    select j.id, j.status into v_job from falconeri.jobs j where j.job_no = p_claim.job_no;
    raise exception using errcode = 'ZF004', message = 'job is not running',
      detail = jsonb_build_object('job_id', v_job.id, 'status', v_job.status);
  end if;
end
$$;
comment on function falconeri._require_running(falconeri.claims)
is 'Refuses a change to an attempt whose job was ended over its head.';
