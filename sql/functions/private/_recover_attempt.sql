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

  insert into falconeri.attempts (
    job_no, seq, attempt, worker_no, slot, outcome, final, failure_class, started_at, finished_at,
    exit_code, signal, output, error_message, backtrace, bytes_in, bytes_out, cpu_s,
    peak_memory_bytes
  ) values (
    p_claim.job_no, p_claim.seq, p_claim.attempt, p_claim.worker_no, p_claim.slot, 'recovered',
    true, p_report.failure_class, p_claim.claimed_at, falconeri._now(),
    p_report.exit_code, p_report.signal, coalesce(p_report.output, ''), p_report.error_message,
    p_report.backtrace, p_report.bytes_in, p_report.bytes_out, p_report.cpu_s,
    p_report.peak_memory_bytes
  );
  perform falconeri._abandon_outputs(p_claim.job_no, p_claim.seq);
  perform falconeri._free_claim(p_claim.worker_no, p_claim.slot);
  if v_open = 0 then
    perform falconeri._close_shard(p_claim.job_no, p_claim.shard);
  end if;
end
$$;
comment on function falconeri._recover_attempt(falconeri.claims, falconeri.report)
is 'Ends an attempt whose program failed, and that its `err_cmd` made up for: the datum is done.';
