-- Whether this attempt of this pod has ended just so before: the answer to its completion got lost.
-- One that was given up in the meantime (as `lost_worker`) has not: its pod must learn of it.
--   p_attempt   null: the datum's last one
create function falconeri._is_repeat(
  p_datum_id uuid, p_pod_name text, p_attempt integer, p_report falconeri.report
) returns boolean
language plpgsql stable as $$
declare
  v_key record := falconeri._datum_key(p_datum_id);
  v_last record;
begin
  select a.outcome, a.failure_class, w.pod_name into v_last
  from falconeri.attempts a join falconeri.workers w using (worker_no)
  where a.job_no = v_key.job_no and a.seq = v_key.seq
    and (p_attempt is null or a.attempt = p_attempt)
  order by a.attempt desc limit 1;
  return found and v_last.pod_name = p_pod_name and v_last.outcome = p_report.outcome
    and v_last.failure_class is not distinct from p_report.failure_class;
end
$$;
comment on function falconeri._is_repeat(uuid, text, integer, falconeri.report)
is 'Whether this attempt of this pod has ended just so before: the answer to its completion got lost.';
