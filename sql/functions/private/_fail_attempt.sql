-- Ends an attempt that failed: history, counters, what becomes of the datum and so of its job; its slot
-- becomes idle. One that ran out of memory goes a rung up its job's ladder, at no price; on the topmost
-- one, or without a ladder, it uses up a try.
--   p_claim    locked by the caller
--   p_wait_s   seconds that its worker may go on with its uploads, as it has not said so itself
-- Raises ZF003 claim_lost if the job was ended over the worker's head.
-- Locks: the claim's shard; the rung that it goes to; the job's row if this was the shard's last datum.
create function falconeri._fail_attempt(
  p_claim falconeri.claims, p_report falconeri.report, p_wait_s integer default 0
) returns void
language plpgsql volatile as $$
declare
  v_rises boolean := falconeri._rises(p_claim, p_report.failure_class);
  v_spends boolean := falconeri._spends_a_try(p_report.failure_class);
  v_tries integer := p_claim.tries_used + (v_spends and not v_rises)::integer;
  v_losses integer := p_claim.losses_used + (not v_spends)::integer;
  v_rung smallint := p_claim.rung + v_rises::integer;
  v_shard record;
  v_waits boolean;
begin
  update falconeri.shards s set
    failed_attempts = s.failed_attempts + 1,
    running = s.running - 1,
    requeued = s.requeued
      + (v_rung = 0 and v_tries < s.max_tries and v_losses < s.max_losses)::integer,
    raised = s.raised
      + (v_rung > 0 and v_tries < s.max_tries and v_losses < s.max_losses)::integer,
    error = s.error + (v_tries >= s.max_tries or v_losses >= s.max_losses)::integer,
    open = s.open - (v_tries >= s.max_tries or v_losses >= s.max_losses)::integer
  where s.job_no = p_claim.job_no and s.shard = p_claim.shard and s.open > 0
  returning s.open, s.watched, v_tries < s.max_tries and v_losses < s.max_losses as retry into v_shard;
  if not found then
    perform falconeri._refuse_claim(p_claim.datum_id, p_claim.pod_name, p_claim.attempt);
  end if;

  perform falconeri._record_failure(p_claim, p_report, not v_shard.retry, p_wait_s);

  if v_shard.retry then
    insert into falconeri.requeue (job_no, shard, seq, attempt, tries_used, losses_used, rung)
    values (
      p_claim.job_no, p_claim.shard, p_claim.seq, p_claim.attempt + 1, v_tries, v_losses, v_rung
    );
    -- More memory is the cure, not time.
    if v_rises then
      perform falconeri._open_rung(p_claim.job_no, v_rung);
      v_waits := false;
    else
      v_waits := falconeri._requeue_at(
        p_claim.job_no, p_claim.shard, v_rung, p_claim.seq, v_tries + v_losses, p_report.failure_class
      );
    end if;
    if v_shard.watched and not v_waits then
      perform falconeri._wake_waiters(p_claim.job_no, p_claim.shard);
    end if;
  elsif v_shard.open = 0 then
    perform falconeri._close_shard(p_claim.job_no, p_claim.shard);
  end if;
end
$$;
comment on function falconeri._fail_attempt(falconeri.claims, falconeri.report, integer)
is 'Ends an attempt that failed: history, counters, what becomes of the datum and so of its job.';
