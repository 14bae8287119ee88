-- Ends an attempt and hands its slot the next datum, in one call.
--   p_attempt      null: whichever attempt the pod holds (the original's workers)
--   p_claim_next   false: the slot stays idle
--   p_ahead        the pod has another one to work on first: it gets a next one only if there are plenty
-- Returns one row; a repeat by the same attempt answers what the slot holds now.
-- Raises ZF002 datum_not_found, ZF003 claim_lost, ZF009 invalid_input for a report that is neither a
-- success nor a failure, made up for or not, with its class and message.
-- Locks: one claim, its shard, then another shard (SKIP LOCKED) or the job's row.
-- A success is dealt with here, with copies of the queries of _lock_claim and _inputs, and not in functions
-- of its own: every datum passes here, and each call of another function costs it about as much as one of
-- these statements.
create function falconeri.complete_and_claim(
  p_datum_id uuid, p_pod_name text, p_attempt integer, p_report falconeri.report,
  p_claim_next boolean, p_ahead boolean default false
) returns falconeri.work
language plpgsql volatile set search_path = falconeri, pg_temp set enable_seqscan = off as $$
declare
  v_claim falconeri.claims;
  v_fresh boolean;
  v_open integer;
  v_taken bigint;
  v_now timestamptz;
  v_next falconeri.work;
begin
  if p_report.outcome is distinct from 'done' or p_report.failure_class is not null then
    perform falconeri._require_failure(p_report);
  end if;

  select c.* into v_claim from falconeri.claims c
  where c.pod_name = p_pod_name and c.datum_id = p_datum_id
    and (p_attempt is null or c.attempt = p_attempt)
  for update;
  if not found then
    return falconeri._repeat_completion(p_datum_id, p_pod_name, p_attempt, p_report, p_claim_next, p_ahead);
  end if;
  if p_report.outcome <> 'done' then
    if p_report.outcome = 'recovered' then
      perform falconeri._recover_attempt(v_claim, p_report);
    else
      perform falconeri._fail_attempt(v_claim, p_report);
    end if;
    return case
      when p_claim_next then falconeri._take_datum(v_claim, true, p_ahead) else falconeri._nothing()
    end;
  end if;

  -- Never claimed so far: nobody knows that it needs more memory.
  v_fresh := p_claim_next and v_claim.rung = 0;

  -- One update on one page: close this datum and, if there is a fresh one, take it.
  update falconeri.shards s set
    done = s.done + 1,
    open = s.open - 1,
    running = s.running - 1 + (
      v_fresh and not s.halted
      and s.next_seq <= case when p_ahead then s.ahead_seq else s.last_seq end
    )::integer,
    next_seq = s.next_seq + (
      v_fresh and not s.halted
      and s.next_seq <= case when p_ahead then s.ahead_seq else s.last_seq end
    )::integer,
    taken_seq = case
      when v_fresh and not s.halted
        and s.next_seq <= case when p_ahead then s.ahead_seq else s.last_seq end
      then s.next_seq
    end
  where s.job_no = v_claim.job_no and s.shard = v_claim.shard and s.open > 0
  returning s.open, s.taken_seq into v_open, v_taken;
  if not found then
    perform falconeri._refuse_claim(p_datum_id, p_pod_name, p_attempt);
  end if;

  v_now := falconeri._now();
  insert into falconeri.attempts (
    job_no, seq, attempt, worker_no, slot, outcome, final, started_at, finished_at, exit_code, output,
    bytes_in, bytes_out, cpu_s, peak_memory_bytes
  ) values (
    v_claim.job_no, v_claim.seq, v_claim.attempt, v_claim.worker_no, v_claim.slot, 'done', true,
    v_claim.claimed_at, v_now, p_report.exit_code, falconeri._kept_text(coalesce(p_report.output, '')),
    p_report.bytes_in, p_report.bytes_out, p_report.cpu_s, p_report.peak_memory_bytes
  );

  if v_taken is null then
    if v_open = 0 then
      perform falconeri._close_shard(v_claim.job_no, v_claim.shard);
    end if;
    v_next := case
      when p_claim_next then falconeri._take_datum(v_claim, true, p_ahead) else falconeri._nothing()
    end;
    if v_next.verdict <> 'claimed' then
      perform falconeri._free_claim(v_claim.worker_no, v_claim.slot);
    end if;
    return v_next;
  end if;
  v_next.verdict := 'claimed';
  v_next.datum_id := falconeri._datum_id(v_claim.job_no, v_taken);
  v_next.attempt := 1;
  update falconeri.claims c set
    datum_id = v_next.datum_id, seq = v_taken, attempt = 1, tries_used = 0, losses_used = 0,
    claimed_at = v_now
  where c.worker_no = v_claim.worker_no and c.slot = v_claim.slot;
  select d.inputs -> (v_taken - d.first_seq)::integer into v_next.inputs
  from falconeri.datum_chunks d where d.job_no = v_claim.job_no and d.first_seq <= v_taken
  order by d.first_seq desc limit 1;
  return v_next;
end
$$;
comment on function falconeri.complete_and_claim(uuid, text, integer, falconeri.report, boolean, boolean)
is 'Ends an attempt and hands its slot the next datum, in one call.';
