-- Ends an attempt: history, counters, what becomes of the datum and so of its job. Its slot gets the
-- shard's next fresh datum, or becomes idle. As few statements as there are tables: every datum passes here.
--   p_claim   locked by the caller
--   p_take    take the next datum in the same update
-- Returns the datum taken, or all null.
-- Raises ZF003 claim_lost if the job was ended over the worker's head.
-- Locks: the claim's shard; the job's row if this was the shard's last datum.
create function falconeri._finish_attempt(
  p_claim falconeri.claims, p_report falconeri.report, p_take boolean
) returns falconeri.work
language plpgsql volatile as $$
declare
  v_now timestamptz := falconeri._now();
  v_failed boolean := p_report.outcome = 'error';
  v_spends integer := (v_failed and falconeri._spends_a_try(p_report.failure_class))::integer;
  v_tries integer := p_claim.tries_used + v_spends;
  v_losses integer := p_claim.losses_used + v_failed::integer - v_spends;
  v_shard record;
  v_next falconeri.work;
begin
  -- One update on one page: close this datum and, if there is one, take the next.
  update falconeri.shards s set
    done = s.done + (not v_failed)::integer,
    error = s.error + (v_failed and (v_tries >= s.max_tries or v_losses >= s.max_losses))::integer,
    requeued = s.requeued
      + (v_failed and v_tries < s.max_tries and v_losses < s.max_losses)::integer,
    open = s.open
      - (not v_failed or v_tries >= s.max_tries or v_losses >= s.max_losses)::integer,
    failed_attempts = s.failed_attempts + v_failed::integer,
    running = s.running - 1 + (p_take and not s.halted and s.next_seq <= s.last_seq)::integer,
    next_seq = s.next_seq + (p_take and not s.halted and s.next_seq <= s.last_seq)::integer,
    taken_seq = case when p_take and not s.halted and s.next_seq <= s.last_seq then s.next_seq end
  where s.job_no = p_claim.job_no and s.shard = p_claim.shard and s.open > 0
  returning s.open, s.watched, s.taken_seq,
    v_failed and v_tries < s.max_tries and v_losses < s.max_losses as retry
  into v_shard;
  if not found then
    raise exception using errcode = 'ZF003', message = 'claim lost',
      detail = jsonb_build_object(
        'datum_id', falconeri._datum_id(p_claim.job_no, p_claim.seq), 'attempt', p_claim.attempt
      );
  end if;

  insert into falconeri.attempts (
    job_no, seq, attempt, worker_no, outcome, final, failure_class, started_at, finished_at,
    exit_code, signal, output, error_message, backtrace, bytes_in, bytes_out, cpu_s,
    peak_memory_bytes
  ) values (
    p_claim.job_no, p_claim.seq, p_claim.attempt, p_claim.worker_no, p_report.outcome,
    not v_shard.retry, p_report.failure_class, p_claim.claimed_at, v_now,
    p_report.exit_code, p_report.signal, coalesce(p_report.output, ''), p_report.error_message,
    p_report.backtrace, p_report.bytes_in, p_report.bytes_out, p_report.cpu_s,
    p_report.peak_memory_bytes
  );

  if v_failed then
    perform falconeri._abandon_outputs(p_claim.job_no, p_claim.seq);
  end if;
  if v_shard.retry then
    insert into falconeri.requeue (job_no, shard, seq, attempt, tries_used, losses_used)
    values (p_claim.job_no, p_claim.shard, p_claim.seq, p_claim.attempt + 1, v_tries, v_losses);
    if not falconeri._requeue_at(
      p_claim.job_no, p_claim.shard, p_claim.seq, v_tries + v_losses, p_report.failure_class
    ) and v_shard.watched then
      perform falconeri._wake_waiters(p_claim.job_no, p_claim.shard);
    end if;
  elsif v_shard.open = 0 then
    perform falconeri._close_shard(p_claim.job_no);
  end if;
  update falconeri.claims c set
    seq = v_shard.taken_seq,
    attempt = case when v_shard.taken_seq is not null then 1 end,
    tries_used = 0, losses_used = 0,
    claimed_at = case when v_shard.taken_seq is not null then v_now end
  where c.worker_no = p_claim.worker_no and c.slot = p_claim.slot;
  if v_shard.taken_seq is not null then
    select 'claimed'::falconeri.verdict, falconeri._datum_id(d.job_no, d.seq), 1, d.inputs
    into strict v_next
    from falconeri.datums d where d.job_no = p_claim.job_no and d.seq = v_shard.taken_seq;
  end if;
  return v_next;
end
$$;
comment on function falconeri._finish_attempt(falconeri.claims, falconeri.report, boolean)
is 'Ends an attempt: history, counters, what becomes of the datum and so of its job.';
