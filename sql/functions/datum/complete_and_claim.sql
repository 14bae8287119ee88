-- Ends an attempt and hands its slot the next datum, in one call.
--   p_attempt      null: whichever attempt the pod holds (the original's workers)
--   p_claim_next   false: the slot stays idle
-- Returns one row; a repeat by the same attempt answers what the slot holds now.
-- Raises ZF002 datum_not_found, ZF003 claim_lost, ZF009 invalid_input for a report that is neither a
-- success nor a failure with its class and message.
-- Locks: one claim, its shard, then another shard (SKIP LOCKED) or the job's row.
create function falconeri.complete_and_claim(
  p_datum_id uuid, p_pod_name text, p_attempt integer, p_report falconeri.report,
  p_claim_next boolean
) returns falconeri.work
language plpgsql volatile set search_path = falconeri, pg_temp as $$
declare
  v_claim falconeri.claims := falconeri._find_claim(p_datum_id, p_pod_name, p_attempt);
  v_next falconeri.work;
begin
  if not coalesce(
    case p_report.outcome
      when 'done' then p_report.failure_class is null
      when 'error' then p_report.failure_class is not null and p_report.error_message is not null
    end, false
  ) then
    raise exception using errcode = 'ZF009', message = 'not a report of an attempt',
      detail = jsonb_build_object(
        'outcome', p_report.outcome, 'failure_class', p_report.failure_class
      );
  end if;
  if v_claim.worker_no is null then
    if falconeri._is_repeat(p_datum_id, p_pod_name, p_attempt, p_report) then
      return falconeri._repeat_completion(p_datum_id, p_pod_name, p_claim_next);
    end if;
    perform falconeri._lock_claim(p_datum_id, p_pod_name, p_attempt);  -- raises
  end if;
  v_next := falconeri._finish_attempt(v_claim, p_report, p_claim_next);
  if v_next.verdict is not null then
    return v_next;
  end if;
  if not p_claim_next then
    return ('empty', null, null, null)::falconeri.work;
  end if;
  return falconeri._take_datum(v_claim);
end
$$;
comment on function falconeri.complete_and_claim(uuid, text, integer, falconeri.report, boolean)
is 'Ends an attempt and hands its slot the next datum, in one call.';
