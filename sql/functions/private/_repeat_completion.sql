-- The answer to the completion of an attempt that the pod does not hold: if it has ended just so before
-- (the answer got lost), what its slot holds now, or a datum for it.
-- One that was given up in the meantime (as `lost_worker`) has not: its pod must learn of it.
--   p_attempt   null: the datum's last one
-- Raises ZF002 datum_not_found, ZF003 claim_lost.
create function falconeri._repeat_completion(
  p_datum_id uuid, p_pod_name text, p_attempt integer, p_report falconeri.report,
  p_claim_next boolean, p_ahead boolean
) returns falconeri.work
language plpgsql volatile as $$
declare
  v_key record := falconeri._datum_key(p_datum_id);
  v_last record;
begin
  select a.outcome, a.failure_class, a.slot, w.pod_name, w.node_name, w.leased, j.id as job_id
  into v_last
  from falconeri.attempts a
  join falconeri.workers w using (worker_no)
  join falconeri.jobs j on j.job_no = a.job_no
  where a.job_no = v_key.job_no and a.seq = v_key.seq
    and (p_attempt is null or a.attempt = p_attempt)
  order by a.attempt desc limit 1;
  if not found or v_last.pod_name <> p_pod_name or v_last.outcome <> p_report.outcome
    or v_last.failure_class is distinct from p_report.failure_class
  then
    perform falconeri._refuse_claim(p_datum_id, p_pod_name, p_attempt);
  end if;
  if not p_claim_next then
    return falconeri._nothing();
  end if;
  return falconeri.claim_datum(
    v_last.job_id, p_pod_name, v_last.node_name, v_last.leased, v_last.slot, p_ahead
  );
end
$$;
comment on function falconeri._repeat_completion(uuid, text, integer, falconeri.report, boolean, boolean)
is 'The answer to the completion of an attempt that the pod does not hold.';
