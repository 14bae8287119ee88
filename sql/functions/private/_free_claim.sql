-- Makes a slot idle.   Locks: its claim (the caller has it).
create function falconeri._free_claim(p_worker_no bigint, p_slot smallint) returns void
language sql volatile
begin atomic
  update falconeri.claims c set
    datum_id = null, seq = null, attempt = null, tries_used = 0, losses_used = 0, claimed_at = null
  where c.worker_no = p_worker_no and c.slot = p_slot;
end;
comment on function falconeri._free_claim(bigint, smallint) is 'Makes a slot idle.';
