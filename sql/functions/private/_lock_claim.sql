-- The claim by which a pod works on a datum, locked: the fence before every change to an attempt.
-- Raises ZF002 datum_not_found, ZF003 claim_lost.   Locks: one claim.
create function falconeri._lock_claim(p_datum_id uuid, p_pod_name text, p_attempt integer)
returns falconeri.claims
language plpgsql volatile as $$
declare
  v_claim falconeri.claims := falconeri._find_claim(p_datum_id, p_pod_name, p_attempt);
begin
  if v_claim.worker_no is null then
    perform falconeri._require_datum(p_datum_id);
    raise exception using errcode = 'ZF003', message = 'claim lost',
      detail = jsonb_build_object(
        'datum_id', p_datum_id, 'pod_name', p_pod_name, 'attempt', p_attempt
      );
  end if;
  return v_claim;
end
$$;
comment on function falconeri._lock_claim(uuid, text, integer)
is 'The claim by which a pod works on a datum, locked: the fence before every change to an attempt.';
