-- Ends an attempt whose program failed, and that its `err_cmd` made up for: the datum is done. Its slot
-- becomes idle. What it may have registered is deleted, as after a failure: it has no outputs.
--   p_claim   locked by the caller
-- Raises ZF003 claim_lost if the job was ended over the worker's head.
-- Locks: the claim's shard; the job's row if this was the shard's last datum.
create function falconeri._recover_attempt(p_claim falconeri.claims, p_report falconeri.report)
returns void
language plpgsql volatile as $$
declare
  v_open integer;
begin
  update falconeri.shards s set
    done = s.done + 1, recovered = s.recovered + 1, running = s.running - 1, open = s.open - 1
  where s.job_no = p_claim.job_no and s.shard = p_claim.shard and s.open > 0
  returning s.open into v_open;
  if not found then
    perform falconeri._refuse_claim(p_claim.datum_id, p_claim.pod_name, p_claim.attempt);
  end if;

  perform falconeri._record_failure(p_claim, p_report, true, 0);
  if v_open = 0 then
    perform falconeri._close_shard(p_claim.job_no, p_claim.shard);
  end if;
end
$$;
comment on function falconeri._recover_attempt(falconeri.claims, falconeri.report)
is 'Ends an attempt whose program failed, and that its `err_cmd` made up for: the datum is done.';
