-- The claim by which a pod works on a datum, locked: the fence before every change to an attempt
-- (complete_and_claim, which has to be fast, has a copy of the query).
--   p_attempt   null: whichever attempt the pod holds (the original's workers don't know its number)
-- Raises ZF002 datum_not_found, ZF003 claim_lost.   Locks: one claim.
create function falconeri._lock_claim(p_datum_id uuid, p_pod_name text, p_attempt integer)
returns falconeri.claims
language plpgsql volatile as $$
declare
  v_claim falconeri.claims;
begin
  select c.* into v_claim from falconeri.claims c
  where c.pod_name = p_pod_name and c.datum_id = p_datum_id
    and (p_attempt is null or c.attempt = p_attempt)
  for update;
  if not found then
    perform falconeri._refuse_claim(p_datum_id, p_pod_name, p_attempt);
  end if;
  return v_claim;
end
$$;
comment on function falconeri._lock_claim(uuid, text, integer)
is 'The claim by which a pod works on a datum, locked: the fence before every change to an attempt.';
