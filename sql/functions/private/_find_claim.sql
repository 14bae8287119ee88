-- The claim by which a pod works on a datum, locked; all null if it holds none.
--   p_attempt   null: whichever attempt the pod holds (the original's workers don't know its number)
-- Raises ZF002 datum_not_found for the id of anything else.   Locks: one claim.
create function falconeri._find_claim(p_datum_id uuid, p_pod_name text, p_attempt integer)
returns falconeri.claims
language plpgsql volatile as $$
declare
  v_key record := falconeri._datum_key(p_datum_id);
  v_claim falconeri.claims;
begin
  select c.* into v_claim
  from falconeri.workers w join falconeri.claims c using (worker_no)
  where w.job_no = v_key.job_no and w.pod_name = p_pod_name
    and c.seq = v_key.seq and (p_attempt is null or c.attempt = p_attempt)
  for update of c;
  return v_claim;
end
$$;
comment on function falconeri._find_claim(uuid, text, integer)
is 'The claim by which a pod works on a datum, locked; all null if it holds none.';
