-- Empties a locked claim.
create function falconeri._free_slot(p_claim falconeri.claims) returns void
language sql volatile
begin atomic
  update falconeri.claims c set seq = null, attempt = null, claimed_at = null
  where c.worker_no = p_claim.worker_no and c.slot = p_claim.slot;
end;
comment on function falconeri._free_slot(falconeri.claims) is 'Empties a locked claim.';
