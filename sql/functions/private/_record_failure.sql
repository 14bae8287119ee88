-- Writes down an attempt whose program failed, whether or not that was made up for; has deleted what it may
-- have registered, and makes its slot idle.
--   p_claim    locked by the caller
--   p_final    whether no other attempt at its datum follows by itself
--   p_wait_s   seconds that its worker may go on with its uploads; 0: it has said itself that it has ended
-- Locks: its output files.
create function falconeri._record_failure(
  p_claim falconeri.claims, p_report falconeri.report, p_final boolean, p_wait_s integer
) returns void
language plpgsql volatile as $$
begin
  insert into falconeri.attempts (
    job_no, seq, attempt, worker_no, slot, outcome, final, failure_class, started_at, finished_at,
    exit_code, signal, output, error_message, backtrace, bytes_in, bytes_out, cpu_s,
    peak_memory_bytes
  ) values (
    p_claim.job_no, p_claim.seq, p_claim.attempt, p_claim.worker_no, p_claim.slot, p_report.outcome,
    p_final, p_report.failure_class, p_claim.claimed_at, falconeri._now(),
    p_report.exit_code, p_report.signal, falconeri._kept_text(coalesce(p_report.output, '')),
    falconeri._kept_text(p_report.error_message), falconeri._kept_text(p_report.backtrace), p_report.bytes_in,
    p_report.bytes_out, p_report.cpu_s, p_report.peak_memory_bytes
  );
  perform falconeri._abandon_outputs(p_claim.job_no, p_claim.seq, p_wait_s);
  perform falconeri._free_claim(p_claim.worker_no, p_claim.slot);
end
$$;
comment on function falconeri._record_failure(falconeri.claims, falconeri.report, boolean, integer)
is 'Writes down an attempt whose program failed, whether or not that was made up for.';
