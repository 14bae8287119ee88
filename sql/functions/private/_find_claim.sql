-- The claim by which a pod works on a datum, locked; all null if it holds none.
-- The key is decoded in the query itself: every datum passes here several times.
--   p_attempt   null: whichever attempt the pod holds (the original's workers don't know its number)
-- Locks: one claim.
create function falconeri._find_claim(p_datum_id uuid, p_pod_name text, p_attempt integer)
returns falconeri.claims
language plpgsql volatile as $$
declare
  v_claim falconeri.claims;
begin
  select c.* into v_claim
  from falconeri.workers w join falconeri.claims c using (worker_no)
  where falconeri._is_datum_id(p_datum_id)
    and w.job_no = falconeri._datum_job_no(p_datum_id) and w.pod_name = p_pod_name
    and c.seq = falconeri._datum_seq(p_datum_id) and (p_attempt is null or c.attempt = p_attempt)
  for update of c;
  return v_claim;
end
$$;
comment on function falconeri._find_claim(uuid, text, integer)
is 'The claim by which a pod works on a datum, locked; all null if it holds none.';
