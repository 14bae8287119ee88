-- Ends the attempt of a locked claim that its worker will not end, and frees the slot.
-- Locks: the claim's shard.
create function falconeri._lose_claim(
  p_claim falconeri.claims, p_class falconeri.failure_class, p_message text
) returns void
language plpgsql volatile set search_path = falconeri, pg_temp as $$
begin
  perform falconeri._finish_attempt(
    p_claim,
    row('error', p_class, '', p_message, null, null, null, null, null, null, null)::falconeri.report,
    false
  );
  perform falconeri._free_slot(p_claim);
end
$$;
comment on function falconeri._lose_claim(falconeri.claims, falconeri.failure_class, text)
is 'Ends the attempt of a locked claim that its worker will not end, and frees the slot.';
